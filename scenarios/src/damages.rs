//! All damages of all scenarios.

use comeback_engine::damage::Catalogue;

/// The damages that the scenarios' judges detect, in the order of the scenarios, each once.
pub fn damages() -> Catalogue {
    Catalogue::of(crate::all().iter().flat_map(|scenario| scenario.spec().damages))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_damage_has_a_name_and_a_sentence_of_its_own() {
        let Catalogue { damages, classes } = damages();
        let names: BTreeSet<_> = damages.iter().map(|damage| damage.name).collect();
        let sentences: BTreeSet<_> = damages.iter().map(|damage| damage.does).collect();
        assert_eq!((names.len(), sentences.len()), (damages.len(), damages.len()));
        for damage in damages {
            assert!(!damage.does.ends_with('.') && damage.does.contains(' '), "{damage:?}");
        }
        let one_word = |class: &&str| class.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(classes.iter().all(one_word), "{classes:?}");
    }

    #[test]
    fn one_name_means_the_same_in_every_scenario() {
        let known = damages();
        for table in crate::all().iter().flat_map(|scenario| scenario.spec().damages) {
            for spec in table.specs() {
                assert_eq!(known.find(spec.name), Some(spec));
            }
        }
    }
}
