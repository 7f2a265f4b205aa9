//! The control plane and an agent's secrets, each on a Unix socket: they are reached from any network namespace.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use weft_control::serve::{Callers, ControlPlane, Report};
use weft_control::world::World;

use crate::agent;

/// Both, on a thread of their own.
pub struct Plane {
    control: ControlPlane,
    runtime: Option<Runtime>,
    directory: TempDir,
}

impl Plane {
    /// Serves a world.
    pub fn serve(world: &World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control = ControlPlane::new(world.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let this = Self { control, runtime: Some(runtime), directory };
        let ads = Server::builder().add_service(this.control.grpc(Callers::Believed));
        let agent = Server::builder().add_service(agent::service(&world.mesh.trust_domain));
        for (path, router) in [(this.ads(), ads), (this.agent(), agent)] {
            let _guard = this.runtime.as_ref().unwrap().enter();
            let listener = UnixListenerStream::new(UnixListener::bind(path).unwrap());
            tokio::spawn(router.serve_with_incoming(listener));
        }
        this
    }

    /// Where ADS is.
    pub fn ads(&self) -> PathBuf {
        self.directory.path().join("ads")
    }

    /// Where the secrets are.
    pub fn agent(&self) -> PathBuf {
        self.directory.path().join("agent")
    }

    /// Where an Envoy's admin socket may be.
    pub fn admin(&self) -> PathBuf {
        self.directory.path().join("admin")
    }

    /// Who is connected, and how far each is.
    pub fn report(&self) -> Report {
        self.control.report()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
