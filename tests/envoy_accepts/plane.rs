//! The control plane and an agent's secrets, each on a Unix socket: they are reached from any network namespace.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use weft_control::serve::{Callers, ControlPlane, Report};

use crate::mesh::Mesh;
use crate::secrets;

pub(crate) struct Plane {
    control: ControlPlane,
    runtime: Option<Runtime>,
    directory: TempDir,
}

impl Plane {
    pub(crate) fn serve(mesh: &Mesh) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let control = ControlPlane::new(mesh.world.clone());
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let this = Self { control, runtime: Some(runtime), directory };
        let ads = Server::builder().add_service(this.control.grpc(Callers::Believed));
        let agent = Server::builder().add_service(secrets::service(&mesh.world.mesh.trust_domain));
        for (path, router) in [(this.ads(), ads), (this.agent(), agent)] {
            let _guard = this.runtime.as_ref().unwrap().enter();
            let listener = UnixListenerStream::new(UnixListener::bind(path).unwrap());
            tokio::spawn(router.serve_with_incoming(listener));
        }
        this
    }

    /// Where ADS is.
    pub(crate) fn ads(&self) -> PathBuf {
        self.directory.path().join("ads")
    }

    /// Where the secrets are.
    pub(crate) fn agent(&self) -> PathBuf {
        self.directory.path().join("agent")
    }

    /// Where an Envoy's admin socket may be.
    pub(crate) fn admin(&self) -> PathBuf {
        self.directory.path().join("admin")
    }

    pub(crate) fn report(&self) -> Report {
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
