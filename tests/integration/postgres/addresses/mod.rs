//! Servers known only by their address: reading them gives the same as reading a server of our own.

mod tls;

use comeback_engine::judge::Judge;
use comeback_engine::repository::LocalRepository;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Endpoint, Substrate};
use comeback_error::{ErrorKind, Result};
use comeback_model::{CatalogueForm, ClusterContent, Content, DumpFormat, IntegrityQuery, Manifest};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, IntegrityQueries, RowCounts, StructureJudge,
};
use comeback_postgres::{
    ClientPrograms, PostgresAddress, PostgresServer, count, export_table, fingerprint_tables, read_catalogue,
    read_content, run_script, system_identifier, take_base_backup, take_dump,
};

use crate::kit::{require, substrates};

const DATABASE: &str = "app";
const TABLE: &str = "public.people";

/// A database with everything that a reader meets, and a role that may read but is no superuser.
const SCHEMA: &str = "
    create table people (id bigint generated always as identity primary key, name text not null, born date);
    insert into people (name, born) select 'person ' || n, date '1990-01-01' + n from generate_series(1, 5000) n;
    create view adults as select * from people where born < date '2000-01-01';
    create role reader login password 'reader''s : own\\one';
    alter role reader set statement_timeout = '1ms';
    grant select on people to reader";

/// A server with the database in it, and its password.
async fn server(substrate: &dyn Substrate) -> Result<(PostgresServer, Secret)> {
    let password = Secret::random()?;
    let server = PostgresServer::create(substrate, "foreign", &password).await?;
    server.init().await?;
    server.start(&[]).await?;
    fill(server.address()).await?;
    Ok((server, password))
}

async fn fill(server: &PostgresAddress) -> Result<()> {
    run_script(server, "postgres", "the database", &format!("create database {DATABASE}")).await?;
    run_script(server, DATABASE, "the schema", SCHEMA).await.map(drop)
}

/// The address of a server as a user would write it.
fn written(server: &PostgresServer) -> String {
    match server.node().endpoint() {
        Endpoint::Unix { dir } => format!("postgres:///{DATABASE}?host={dir}"),
        Endpoint::Tcp { host, port } => format!("postgres://postgres@{host}:{port}/{DATABASE}"),
    }
}

/// The facts that a backup's manifest states about the content; they must come from the snapshot alone.
fn content(manifest: &Manifest) -> &ClusterContent {
    manifest.content.cluster().unwrap()
}

/// Reads a server by an address in every way, and compares the results with those of the server's own address.
async fn read_in_every_way(own: &PostgresAddress, address: &PostgresAddress, programs: &ClientPrograms) {
    assert_eq!(address.major().await.unwrap(), own.major().await.unwrap());
    assert_eq!(system_identifier(address).await.unwrap(), system_identifier(own).await.unwrap());
    let tables = fingerprint_tables(address, DATABASE).await.unwrap();
    assert_eq!(tables, fingerprint_tables(own, DATABASE).await.unwrap());
    assert_eq!(tables[TABLE].rows, 5000);
    let form = CatalogueForm::Complete;
    let catalogue = read_catalogue(address, DATABASE, form).await.unwrap();
    assert_eq!(catalogue, read_catalogue(own, DATABASE, form).await.unwrap());
    let recorded = read_content(own, DATABASE).await.unwrap();
    assert_eq!(read_content(address, DATABASE).await.unwrap(), recorded);

    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    let export = export_table(address, DATABASE, TABLE, &repository).await.unwrap();
    let Content::PostgresTable { rows, .. } = &export.content else { panic!("{:?}", export.content) };
    assert_eq!(*rows, tables[TABLE]);
    for format in [DumpFormat::Plain, DumpFormat::Directory] {
        let dump = take_dump(address, programs, DATABASE, &repository, format).await.unwrap();
        assert_eq!(content(&dump).databases[DATABASE].tables, tables);
        assert_eq!(content(&dump).databases[DATABASE].catalogue, catalogue);
    }
    let base = take_base_backup(address, programs, &repository).await.unwrap();
    assert_eq!(content(&base).databases[DATABASE].tables, tables);
    assert_eq!(base.versions["postgres"], export.versions["postgres"]);
    assert_eq!(base.files.iter().filter(|file| file.name == "base.tar.zst").count(), 1);

    let judges: [&dyn Judge; 4] = [
        &RowCounts { server: address, recorded: &recorded },
        &FingerprintJudge::new(address, &recorded),
        &CatalogueJudge { server: address, recorded: &recorded },
        &StructureJudge { server: address },
    ];
    for judge in judges {
        assert_eq!(judge.judge().await.unwrap().findings, [], "{}", judge.name());
    }
}

/// Asks a question as a role that may read one table, with a statement timeout of one millisecond.
async fn ask_as_reader(written: &str) {
    let written = written.replace("postgres@", "").replace("postgres://", "postgres://reader@");
    let reader = PostgresAddress::parse(&written).unwrap();
    let reader = reader.with_password(Some(Secret::given(r"reader's : own\one")));
    let query = IntegrityQuery {
        name: "people".to_owned(),
        sql: "select count(*) from public.people, generate_series(1, 100)".to_owned(),
        expect: "== 500000".parse().unwrap(),
        expect_text: "== 500000".to_owned(),
    };
    let timeout = std::time::Duration::from_mins(1);
    let queries = [query];
    let asked =
        IntegrityQueries { server: &reader, database: DATABASE, queries: &queries, timeout, record: None };
    assert_eq!(asked.judge().await.unwrap().findings, []);
    // What it may not do is no word about the server.
    let refused = system_identifier(&reader.with_password(Some(Secret::given("wrong")))).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CouldNotVerify);
    assert!(refused.message().contains("password authentication failed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_read_through_its_socket() {
    let Some(substrate) = substrates::local() else { return };
    let Some((server, password)) = require::or_skip("local", server(&*substrate).await) else { return };
    let address = PostgresAddress::parse(&written(&server)).unwrap().with_password(Some(password));
    assert!(address.is_same_place(server.address()));
    // The programs of another node.
    let another = PostgresServer::create(&*substrate, "programs", &Secret::random().unwrap()).await.unwrap();
    let programs = another.programs().talking_to(address.clone());
    read_in_every_way(server.address(), &address, &programs).await;
    ask_as_reader(&written(&server)).await;
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_read_through_its_port() {
    let Some(substrate) = substrates::docker(None).await else { return };
    let Some((server, password)) = require::or_skip("docker", server(&*substrate).await) else { return };
    let address = PostgresAddress::parse(&written(&server)).unwrap().with_password(Some(password));
    read_in_every_way(server.address(), &address, &server.programs()).await;
    ask_as_reader(&written(&server)).await;
    substrate.remove_all().await.unwrap();
}
