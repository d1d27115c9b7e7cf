//! Tests: addresses as users write them, and what is refused in them.

use proptest::prelude::*;

use crate::address::*;

#[test]
fn addresses_are_read_and_printed() {
    for (text, printed) in [
        ("redis://cache", "redis://cache:6379"),
        ("redis://cache:7000/", "redis://cache:7000"),
        ("redis://backup@cache:7000", "redis://backup@cache:7000"),
        ("redis://a%40b@cache", "redis://a%40b@cache:6379"),
        ("unix://backup@/run/r.sock", "unix://backup@/run/r.sock"),
        ("rediss://cache", "rediss://cache:6379"),
        ("rediss://cache:7000?cacert=/etc/a@b.pem", "rediss://cache:7000?cacert=/etc/a%40b.pem"),
        ("valkeys://me@cache?cacert=/etc/ca.pem", "rediss://me@cache:6379?cacert=/etc/ca.pem"),
        (
            "rediss://10.0.0.7:1?sni=cache.example&key=k.pem&cert=c%20c.pem",
            "rediss://10.0.0.7:1?cert=c%20c.pem&key=k.pem&sni=cache.example",
        ),
        ("valkey://[::1]:7000", "redis://[::1]:7000"),
        ("unix:///run/redis/redis.sock", "unix:///run/redis/redis.sock"),
    ] {
        assert_eq!(RedisAddress::parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn a_place_of_this_machine_is_named_with_it() {
    let server = |url| RedisAddress::parse(url).unwrap().source();
    assert_eq!(server("redis://backup@cache:7000"), "redis://cache:7000");
    for here in ["redis://localhost", "redis://127.0.0.1:7000", "redis://[::1]", "unix:///run/r.sock"] {
        assert!(server(here).contains(" on "), "{here}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "cache:6379",
        "http://cache",
        "redis://",
        "redis://:6379",
        "redis://cache:port",
        "redis://cache:0",
        "redis://cache/3",
        "redis://::1",
        "redis://cache?cacert=/ca.pem",
        "rediss://cache?cacert",
        "rediss://cache?cacert=",
        "rediss://cache?cacert=a&cacert=b",
        "rediss://cache?cert=c.pem",
        "rediss://cache?key=k.pem",
        "rediss://cache?sni=a%20b",
        "rediss://cache?insecure=1",
        "rediss://cache?sentinel-user=me",
        "unix:///run/r.sock?cacert=/ca.pem",
        "redis://cache#part",
        "redis://one,other",
        "unix://relative",
        "unix:///socket?db=3",
    ] {
        assert!(RedisAddress::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for text in [
        "redis://user:hunter2@cache:6379",
        "rediss://:hunter2@cache",
        "unix://me:hunter2@/run/r.sock",
        "unix:///run/r.sock?password=hunter2",
        "redis+sentinel://me:hunter2@one,two/cache",
        "redis+sentinel://one/cache?sentinel-password=hunter2",
    ] {
        let error = RedisUrl::parse(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.to_string().contains("REDISCLI_AUTH"), "{error}");
    }
}

#[test]
fn sentinels_are_read_and_printed() {
    for (text, printed) in [
        ("redis+sentinel://one/cache", "redis+sentinel://one:26379/cache"),
        ("valkey+sentinel://me@[::1]:1,two:2/a%2Fb/", "redis+sentinel://me@[::1]:1,two:2/a%2Fb"),
        (
            "rediss+sentinel://me@one,two/cache?cacert=/ca.pem&sentinel-user=you",
            "rediss+sentinel://me@one:26379,two:26379/cache?sentinel-user=you&cacert=/ca.pem",
        ),
    ] {
        assert_eq!(RedisUrl::parse(text).unwrap().to_string(), printed);
    }
    for text in [
        "redis+sentinel://one",
        "redis+sentinel://one/",
        "redis+sentinel:///cache",
        "redis+sentinel://one,/cache",
        "redis+sentinel://one/cache?cacert=/ca.pem",
        "redis+sentinel://one/cache?db=3",
    ] {
        assert!(RedisUrl::parse(text).is_err(), "{text}");
    }
    let named = |text| RedisUrl::parse(text).unwrap();
    let one = named("redis+sentinel://one,two/cache");
    assert!(one.is_same_place(&named("redis+sentinel://me@two,one:26379/cache")));
    assert!(!one.is_same_place(&named("redis+sentinel://one,two/sessions")));
    assert!(!one.is_same_place(&named("redis://one")));
}

#[test]
fn the_primary_of_sentinels_is_one_source_wherever_it_is() {
    let RedisUrl::Sentinels(sentinels) = RedisUrl::parse("redis+sentinel://me@two,one/cache").unwrap() else {
        panic!("sentinels");
    };
    for host in ["10.0.0.1", "10.0.0.2"] {
        let address = RedisAddress::named_by(&sentinels, host, 6379);
        assert_eq!(address.source(), "redis+sentinel://one:26379,two:26379/cache");
        assert_eq!(address.to_string(), format!("redis://me@{host}:6379"));
    }
}

#[test]
fn what_is_given_beside_an_address_must_fit_it() {
    let secret = || Some(Secret::given("hunter2"));
    let with = |text: &str, given: Credentials| RedisUrl::parse(text).unwrap().with_credentials(&given);
    let cacert = |path: &str| TlsFiles { cacert: Some(path.to_owned()), ..TlsFiles::default() };
    let given = |tls| Credentials { tls, ..Credentials::default() };
    let url = with("rediss://cache", given(cacert("/ca.pem"))).unwrap();
    assert_eq!(url.to_string(), "rediss://cache:6379?cacert=/ca.pem");
    with("rediss://cache?cacert=/ca.pem", given(cacert("/ca.pem"))).unwrap();
    let sentinel = Credentials { password: secret(), sentinel_password: secret(), tls: TlsFiles::default() };
    let url = with("redis+sentinel://me@one/cache?sentinel-user=you", sentinel.clone()).unwrap();
    assert!(!format!("{url} {url:?}").contains("hunter2"));
    for (text, given, told) in [
        ("redis://cache", given(cacert("/ca.pem")), "without TLS"),
        ("unix:///run/r.sock", given(cacert("/ca.pem")), "without TLS"),
        ("rediss://cache?cacert=/other.pem", given(cacert("/ca.pem")), "different values"),
        ("redis://me@cache", Credentials::default(), "the user me, and no password"),
        ("redis+sentinel://me@one/cache", Credentials::default(), "the user me, and no password"),
        (
            "redis+sentinel://one/cache?sentinel-user=you",
            Credentials { password: secret(), ..Credentials::default() },
            "no password is given for it",
        ),
        ("redis://cache", sentinel, "not one of sentinels"),
    ] {
        let error = with(text, given).unwrap_err();
        assert!(error.message().contains(told) && !error.hints().is_empty(), "{text}: {error}");
    }
}

#[test]
fn a_command_is_told_an_address_with_the_password() {
    let password = || Some(Secret::given("hunter2"));
    for (address, told) in [
        ("redis://cache:7000", "redis://:hunter2@cache:7000"),
        ("redis://app@[::1]:7000", "redis://app:hunter2@[::1]:7000"),
        ("unix:///run/r.sock", "unix:///run/r.sock?password=hunter2"),
        ("rediss://app@cache?cacert=/ca.pem", "rediss://app:hunter2@cache:6379?cacert=/ca.pem"),
    ] {
        let address = RedisAddress::parse(address).unwrap().with_password(password());
        assert_eq!(address.url_with_password().expose(), told);
    }
    assert_eq!(
        RedisAddress::parse("redis://cache").unwrap().url_with_password().expose(),
        "redis://cache:6379"
    );
}

#[test]
fn a_password_is_not_printed() {
    let address = RedisAddress::parse("redis://cache").unwrap().with_password(Some(Secret::given("hunter2")));
    assert!(!format!("{address} {address:?}").contains("hunter2"));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_the_same(
        host in "[a-z0-9.-]{1,20}|[0-9a-f:]{2,20}",
        path in prop::option::of("/[^\u{0}-\u{1f}\u{7f}-\u{9f}]{0,30}"),
        port in 1_u16..,
        user in prop::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}"),
        cacert in prop::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,30}"),
        is_encrypted in any::<bool>(),
    ) {
        let files = TlsFiles { cacert: cacert.filter(|_| is_encrypted), ..TlsFiles::default() };
        let (place, tls) = match path {
            Some(path) => (Place::Unix { path }, None),
            None => (Place::Tcp { host, port }, Tls::of_scheme(files, is_encrypted).unwrap()),
        };
        let address = RedisAddress { place, tls, login: Login { user, password: None }, sentinels: None };
        let again = RedisAddress::parse(&address.to_string()).unwrap();
        prop_assert_eq!(&again.place, &address.place);
        prop_assert_eq!(&again.tls, &address.tls);
        prop_assert_eq!(&again.login.user, &address.login.user);
    }

    #[test]
    fn sentinels_that_are_printed_are_read_as_the_same(
        places in prop::collection::vec(("[a-z0-9.-]{1,20}|[0-9a-f:]{2,20}", 1_u16..), 1..4),
        name in "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}",
        user in prop::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}"),
        own in prop::option::of("[^\u{0}-\u{1f}\u{7f}-\u{9f}]{1,20}"),
    ) {
        let login = |user| Login { user, password: None };
        let sentinels = Sentinels { places, name, tls: None, login: login(user), own_login: login(own) };
        let url = RedisUrl::Sentinels(Arc::new(sentinels));
        let again = RedisUrl::parse(&url.to_string()).unwrap();
        prop_assert!(again.is_same_place(&url));
        prop_assert_eq!(again.to_string(), url.to_string());
    }

    #[test]
    fn foreign_text_never_panics(text in any::<String>(), rest in any::<String>()) {
        let _ = RedisUrl::parse(&text);
        for scheme in ["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"] {
            if let Ok(url) = RedisUrl::parse(&format!("{scheme}://{rest}")) {
                prop_assert!(RedisUrl::parse(&url.to_string()).unwrap().is_same_place(&url));
            }
        }
    }
}
