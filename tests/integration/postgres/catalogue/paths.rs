//! The zoo, and the paths by which it comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_engine::judge::Judge;
use comeback_engine::repository::LocalRepository;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::Substrate;
use comeback_model::{CatalogueForm, ClusterContent, DatabaseContent, DumpFormat, Manifest};
use comeback_postgres::judges::{CatalogueJudge, FingerprintJudge, LogicalCatalogue, RowCounts};
use comeback_postgres::{
    PostgresServer, fetch_base_backup, read_catalogue, read_cluster_catalogue, recover_base_backup,
    restore_dump, restore_roles, run_script, take_base_backup, take_dump,
};

const JOBS: usize = 2;

/// A small database whose name needs quotes.
const QUOTED: &str = "create table t (a int primary key, b text); create index by_b on t (b);
    create function f() returns int language sql as 'select 1'; comment on database \"my-App\" is 'of the quoted one';
    grant connect on database \"my-App\" to zoo_reader";

/// A primary with the zoo, a database whose name needs quotes, and one that lacks defaults of a new database.
pub(super) struct Zoo {
    substrate: Arc<dyn Substrate>,
    password: Secret,
    pub(super) primary: PostgresServer,
    repository: LocalRepository,
    _folder: tempfile::TempDir,
}

pub(super) async fn sql(server: &PostgresServer, database: &str, statements: &str) {
    let done = run_script(server.address(), database, "a script", statements).await;
    done.unwrap_or_else(|error| panic!("{statements}: {error}"));
}

async fn findings(judges: &[&dyn Judge]) -> Vec<String> {
    let mut findings = Vec::new();
    for judge in judges {
        findings.extend(judge.judge().await.unwrap().findings.iter().map(ToString::to_string));
    }
    findings
}

impl Zoo {
    pub(super) async fn open(substrate: Arc<dyn Substrate>) -> comeback_error::Result<Self> {
        let password = Secret::random()?;
        let primary = PostgresServer::create(&*substrate, "primary", &password).await?;
        primary.init().await?;
        let settings = [("wal_level", "logical"), ("allow_in_place_tablespaces", "on")];
        primary.start(&settings.map(|(name, value)| (name, value.to_owned()))).await?;
        sql(&primary, "postgres", include_str!("zoo_roles.sql")).await;
        for database in ["zoo owner zoo_owner", "\"my-App\"", "bare"] {
            sql(&primary, "postgres", &format!("create database {database}")).await;
        }
        sql(&primary, "postgres", include_str!("zoo_database.sql")).await;
        sql(&primary, "zoo", include_str!("zoo.sql")).await;
        sql(&primary, "my-App", QUOTED).await;
        sql(
            &primary,
            "bare",
            "drop schema public; drop extension plpgsql; create schema s; create table s.t ()",
        )
        .await;
        let folder = tempfile::tempdir().unwrap();
        let repository = LocalRepository::open(folder.path()).await?;
        Ok(Self { substrate, password, primary, repository, _folder: folder })
    }

    async fn server(&self, name: &str) -> PostgresServer {
        PostgresServer::create(&*self.substrate, name, &self.password).await.unwrap()
    }

    /// Through a base backup, compared with definitions recorded now and before it.
    pub(super) async fn through_a_base_backup(&self) {
        let older = self.first_form().await;
        let manifest = take_base_backup(self.primary.address(), &self.primary.programs(), &self.repository)
            .await
            .unwrap();
        let server = &self.server("physical").await;
        fetch_base_backup(server, &self.repository, &manifest).await.unwrap();
        recover_base_backup(server, &manifest).await.unwrap();
        let recorded = manifest.content.cluster().unwrap();
        let (catalogue, counts) = (
            CatalogueJudge { server: server.address(), recorded },
            RowCounts { server: server.address(), recorded },
        );
        let rows = FingerprintJudge::new(server.address(), recorded);
        assert_eq!(findings(&[&catalogue, &counts, &rows]).await, [""; 0]);
        let skipped = catalogue.judge().await.unwrap().not_looked_at;
        let skipped: Vec<_> = skipped.iter().map(|one| format!("{} {}", one.kind, one.subject)).collect();
        assert_eq!(skipped, ["sequence-position zoo.fleeting"]);

        let by_older = CatalogueJudge { server: server.address(), recorded: &older };
        assert_eq!(findings(&[&by_older]).await, [""; 0]);
        sql(server, "my-App", "drop index by_b; drop function f()").await;
        for judge in [&catalogue as &dyn Judge, &by_older] {
            let found = findings(&[judge]).await;
            let gone = |what: &str| found.iter().any(|f| f.starts_with(&format!("object-missing {what}: ")));
            assert!(gone("index public.by_b") && gone("function public.f()"), "{found:?}");
        }
        server.node().remove().await.unwrap();
    }

    /// Records of an older Comeback, read through the JSON of its manifests.
    async fn first_form(&self) -> ClusterContent {
        let form = CatalogueForm::First;
        let mut content = ClusterContent {
            catalogue: read_cluster_catalogue(self.primary.address(), form).await.unwrap(),
            ..ClusterContent::default()
        };
        for database in ["zoo", "my-App"] {
            let catalogue = read_catalogue(self.primary.address(), database, form).await.unwrap();
            let database = (
                database.to_owned(),
                DatabaseContent { catalogue, tables: BTreeMap::new(), ..Default::default() },
            );
            content.databases.extend([database]);
        }
        let mut json = serde_json::to_value(&content).unwrap();
        let old = |catalogue: &mut serde_json::Value| {
            catalogue.as_object_mut().unwrap().remove("form");
            for position in catalogue["sequences"].as_object_mut().unwrap().values_mut() {
                let called = position["is_called"] == true;
                *position = if called { position["last_value"].clone() } else { serde_json::Value::Null };
            }
        };
        old(&mut json["catalogue"]);
        for (_, database) in json["databases"].as_object_mut().unwrap() {
            old(&mut database["catalogue"]);
            // A recovery sets it back.
            database["catalogue"]["sequences"].as_object_mut().unwrap().remove("zoo.fleeting");
        }
        serde_json::from_value(json).unwrap()
    }

    /// Through every form of a dump, onto one server.
    pub(super) async fn through_dumps(&self) {
        // Objects of sessions are in no dump, and neither is what was said about them.
        let mut session = self.primary.connect("zoo").await.unwrap();
        sqlx::raw_sql("create temporary table mine (a int primary key); comment on table mine is 'mine'; comment on column mine.a is 'a'")
            .execute(&mut session)
            .await
            .unwrap();
        let server = &self.server("logical").await;
        server.init().await.unwrap();
        server.start(&[("wal_level", "logical".to_owned())]).await.unwrap();
        let mut roles = false;
        for format in [DumpFormat::Custom, DumpFormat::Directory, DumpFormat::Plain] {
            let manifest =
                take_dump(self.primary.address(), &self.primary.programs(), "zoo", &self.repository, format)
                    .await
                    .unwrap();
            if !std::mem::replace(&mut roles, true) {
                restore_roles(server, &self.repository, &manifest).await.unwrap();
            }
            restore_dump(server, &self.repository, &manifest, JOBS).await.unwrap();
            assert_eq!(judge_dump(server, &manifest).await, [""; 0], "{format:?}");
            let off = "alter subscription abroad set (slot_name = none); drop subscription abroad";
            sql(server, "zoo", off).await;
            sql(server, "postgres", "drop database zoo").await;
        }
        drop(session);
        let bare = self.dump_and_restore(server, "bare").await;
        assert_eq!(judge_dump(server, &bare).await, [""; 0]);
        sql(server, "bare", "create table public.t ()").await;
        let found = judge_dump(server, &bare).await;
        assert!(
            found.iter().any(|finding| finding.starts_with("object-extra table public.t: ")),
            "{found:?}"
        );

        sql(&self.primary, "postgres", "alter database \"my-App\" is_template true").await;
        let quoted = self.dump_and_restore(server, "my-App").await;
        assert_eq!(judge_dump(server, &quoted).await, [""; 0]);
        sql(server, "my-App", "drop index by_b; drop function f()").await;
        let found = judge_dump(server, &quoted).await;
        assert!(
            found.iter().any(|finding| finding.starts_with("object-missing index public.by_b: ")),
            "{found:?}"
        );
        server.node().remove().await.unwrap();
    }

    async fn dump_and_restore(&self, server: &PostgresServer, database: &str) -> Manifest {
        let manifest = take_dump(
            self.primary.address(),
            &self.primary.programs(),
            database,
            &self.repository,
            DumpFormat::Custom,
        )
        .await
        .unwrap();
        restore_dump(server, &self.repository, &manifest, JOBS).await.unwrap();
        manifest
    }

    pub(super) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
    }
}

async fn judge_dump(server: &PostgresServer, manifest: &Manifest) -> Vec<String> {
    let recorded = manifest.content.cluster().unwrap();
    let catalogue = LogicalCatalogue { server: server.address(), recorded: manifest };
    findings(&[
        &catalogue,
        &RowCounts { server: server.address(), recorded },
        &FingerprintJudge::new(server.address(), recorded),
    ])
    .await
}
