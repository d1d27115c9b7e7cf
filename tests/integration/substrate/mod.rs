//! The promises of a substrate, tested by the same functions for each one.

mod killed_runs;
mod ordinary_user;
mod promises;
mod reach;
mod regions;
mod servers;

use crate::kit::substrate_bench::SubstrateBench;

/// A test of each promise, for one substrate.
macro_rules! promises {
    ($name:ident: $($module:ident::$promise:ident,)*) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let Some(bench) = super::SubstrateBench::$name(false).await else { return };
                    super::$module::$promise(&bench).await;
                    bench.clear().await;
                }
            )*
        }
    };
}

/// The same list of promises for every substrate.
macro_rules! substrates {
    ($($name:ident),*) => {
        $(promises! { $name:
            promises::exit_codes_and_outputs_are_told_apart,
            promises::a_command_that_cannot_start_is_an_error,
            promises::the_environment_is_clean_and_can_be_added_to,
            promises::the_folder_is_empty_private_and_writable,
            promises::files_go_in_and_out,
            promises::what_the_host_sees_of_a_node_is_what_is_in_it,
            promises::a_long_stream_passes_bit_for_bit,
            promises::a_command_need_not_listen_to_the_end,
            promises::only_the_end_of_a_long_complaint_is_kept,
            promises::a_source_that_breaks_is_an_error,
            promises::a_dropped_command_is_killed,
            promises::a_server_starts_logs_stops_and_starts_again,
            promises::a_second_server_is_refused,
            promises::a_server_that_ignores_the_signal_is_reported,
            promises::killing_takes_everything_along_and_leaves_the_folder,
            promises::nodes_are_apart_and_their_names_unique,
            promises::removing_twice_is_no_error,
            regions::regions_are_apart,
            reach::two_regions_have_one_port_at_two_addresses,
            reach::a_free_port_is_found_and_a_public_address_refused,
            promises::programs_are_found_or_named,
            servers::postgres_answers_on_the_endpoint,
            servers::postgres_survives_a_power_cut,
            servers::redis_answers_on_the_endpoint,
        })*
    };
}

substrates!(local, docker);
