//! Opens a cell on a substrate, with a server in it: to attack the machine from there.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::Cell;
use comeback_postgres::PostgresServer;

use super::substrate_bench::SubstrateBench;

/// Little, so that an attack reaches the limit soon.
pub(crate) const CELL: Cell = Cell { processes: 120, memory_bytes: 700 << 20 };

/// A server in a cell, and what it must not reach: a folder of the machine in which everybody may write, a secret file,
/// a port and a socket.
pub(crate) struct CellBench {
    pub(crate) bench: SubstrateBench,
    pub(crate) server: PostgresServer,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: std::net::TcpListener,
    pub(crate) socket: UnixListener,
}

impl CellBench {
    /// A running server on this substrate.
    pub(crate) async fn on(bench: SubstrateBench) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let substrate = bench.substrate.clone().contained(CELL).unwrap().substrate;
        let server =
            PostgresServer::create(&*substrate, "restored", &Secret::random().unwrap()).await.unwrap();
        server.init().await.unwrap();
        server.start(&[]).await.unwrap();
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open.clone()).unwrap();
        std::fs::write(folder.path().join("secret"), "a secret of the machine").unwrap();
        let socket = folder.path().join(".s.PGSQL.5432");
        let socket_of_machine = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, open).unwrap();
        socket_of_machine.set_nonblocking(true).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        port.set_nonblocking(true).unwrap();
        Self { bench, server, folder, port, socket: socket_of_machine }
    }

    /// Whether the server runs in a container.
    pub(crate) fn is_in_container(&self) -> bool {
        !self.bench.is_local()
    }

    /// The file that attacks try to create.
    pub(crate) fn owned(&self) -> PathBuf {
        self.folder.path().join("owned")
    }

    /// A text with the places of this machine in it: `{dir}`, `{owned}`, `{port}`, `{pid}`.
    pub(crate) fn aimed(&self, text: &str) -> String {
        text.replace("{dir}", &self.folder.path().to_string_lossy())
            .replace("{owned}", &self.owned().to_string_lossy())
            .replace("{port}", &self.port.local_addr().unwrap().port().to_string())
            .replace("{pid}", &std::process::id().to_string())
    }

    /// Fails if something got out.
    pub(crate) fn assert_nothing_got_out(&self, attack: &str) {
        assert!(!self.owned().exists(), "{attack}: wrote {}", self.owned().display());
        assert!(self.port.accept().is_err(), "{attack}: reached a port of this machine");
        assert!(self.socket.accept().is_err(), "{attack}: reached a socket of this machine");
    }
}
