//! Tests: addresses as users write them, and what is refused in them.

use proptest::prelude::*;

use crate::connection::address::*;

fn read(text: &str) -> PostgresAddress {
    PostgresAddress::parse(text).unwrap()
}

#[test]
fn addresses_are_read_and_printed() {
    for (text, printed) in [
        ("postgres://db", "postgres://postgres@db:5432/postgres?sslmode=prefer"),
        ("postgresql://me@db:6000/", "postgres://me@db:6000/postgres?sslmode=prefer"),
        ("postgres://me@[::1]/app?sslmode=disable", "postgres://me@[::1]:5432/app?sslmode=disable"),
        (
            "postgres://my%40self@db.example/my%20app?sslmode=verify-full&sslrootcert=/etc/root.crt",
            "postgres://my%40self@db.example:5432/my%20app?sslmode=verify-full&sslrootcert=/etc/root.crt",
        ),
        ("postgres://10.0.0.7/a?sslmode=require", "postgres://postgres@10.0.0.7:5432/a?sslmode=require"),
        ("postgres:///app?host=/run/pg", "postgres://postgres@/app?host=/run/pg&port=5432"),
        ("postgres://me@/?host=%2Frun%2Fpg&port=5433", "postgres://me@/postgres?host=/run/pg&port=5433"),
    ] {
        assert_eq!(read(text).to_string(), printed);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "db:5432",
        "mysql://db",
        "postgres://",
        "postgres:///app",
        "postgres://:5432/app",
        "postgres://db:port/app",
        "postgres://db:0/app",
        "postgres://one,other/app",
        "postgres://::1/app",
        "postgres://db/app#part",
        "postgres://db/a%00b",
        "postgres://db/a%ffb",
        "postgres:///app?host=relative",
        "postgres://db/app?host=/run/pg",
        "postgres://db/app?port=5433",
        "postgres://db/app?sslmode=allow",
        "postgres://db/app?sslmode",
        "postgres://db/app?sslrootcert=/root.crt",
        "postgres://db/app?sslmode=prefer&sslrootcert=/root.crt",
        "postgres:///app?host=/run/pg&sslmode=require",
        "postgres://db/app?options=-cjit%3Doff",
    ] {
        assert!(PostgresAddress::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for text in [
        "postgres://me:hunter2@db/app",
        "postgres://me:hun/ter2@db/app",
        "postgres://me:hun?hunter2@db/app",
        "postgres://me:hunter2@/app?host=/run/pg",
        "postgres://db/app?password=hunter2",
        "postgres:///app?host=/run/pg&password=hunter2",
    ] {
        let error = PostgresAddress::parse(text).unwrap_err().to_string();
        assert!(!error.contains("ter2"), "{error}");
        assert!(error.contains("PGPASSWORD") && error.contains("--password-file"), "{error}");
    }
}

#[test]
fn a_password_is_not_printed() {
    let address = read("postgres://db").with_password(Some(Secret::given("hunter2")));
    assert!(!format!("{address} {address:?}").contains("hunter2"));
    assert!(!address.client_args().concat().contains("hunter2"));
}

#[test]
fn a_place_is_the_same_whoever_logs_in() {
    assert!(read("postgres://me@db/one").is_same_place(&read("postgres://you@db:5432/two?sslmode=disable")));
    assert!(!read("postgres://me@db/one").is_same_place(&read("postgres://me@db:5433/one")));
    assert!(read("postgres:///a?host=/run").is_same_place(&read("postgres://me@/b?host=/run&port=5432")));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(
        host in "[a-z0-9.-]{1,20}|[0-9a-f:]{2,20}",
        dir in prop::option::of("/[^\u{0}-\u{1f}\u{7f}-\u{9f}]{0,30}"),
        port in 1_u16..,
        user in "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}",
        database in "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}",
        root in prop::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,30}"),
    ) {
        let (place, tls) = match dir {
            Some(dir) => (Place::Unix { dir, port }, Tls::NONE),
            None => (Place::Tcp { host, port }, Tls { mode: TlsMode::VerifyFull, root }),
        };
        let known_major = Arc::default();
        let address =
            PostgresAddress { place, user, database, tls, password: None, known_major, is_ours: false };
        let again = read(&address.to_string());
        prop_assert_eq!(&again.place, &address.place);
        prop_assert_eq!(&again.tls, &address.tls);
        prop_assert_eq!((again.user(), again.database()), (address.user(), address.database()));
    }

    #[test]
    fn foreign_text_never_panics(text in any::<String>(), rest in any::<String>()) {
        let _ = PostgresAddress::parse(&text);
        let _ = PostgresAddress::parse(&format!("postgres://{rest}"));
    }
}

#[test]
fn a_command_is_told_an_address_with_the_password() {
    for (address, told) in [
        ("postgres://ana%40x@db:7000/a", "postgres://ana%40x:p%40ss%2Fword@db:7000/my%20app?sslmode="),
        ("postgres:///?host=/run/pg", "postgres://postgres:p%40ss%2Fword@/my%20app?host=/run/pg&port=5432"),
    ] {
        let address =
            PostgresAddress::parse(address).unwrap().with_password(Some(Secret::given("p@ss/word")));
        let url = address.url_with_password("my app");
        assert!(url.expose().starts_with(told), "{}", url.expose());
    }
    let without = PostgresAddress::parse("postgres://db/a").unwrap().url_with_password("b");
    assert!(without.expose().starts_with("postgres://postgres@db:5432/b?"), "{}", without.expose());
}
