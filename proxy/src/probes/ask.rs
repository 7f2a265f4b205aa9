//! One question to the app, in TCP or gRPC's health protocol; in HTTP: [`super::http`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::StatusCode;
use tokio::net::{TcpSocket, TcpStream};

use super::Grpc;
use crate::serving::{Question, is_serving};

/// A connection to the app's `port`, from where connections are not turned.
pub(super) async fn tcp(address: IpAddr, port: u16) -> Result<TcpStream, String> {
    let (socket, inside): (_, IpAddr) = match address {
        IpAddr::V4(_) => (TcpSocket::new_v4(), Ipv4Addr::new(127, 0, 0, 6).into()),
        IpAddr::V6(_) => (TcpSocket::new_v6(), Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into()),
    };
    let connecting = async {
        let socket = socket?;
        socket.bind((inside, 0).into())?;
        socket.connect(SocketAddr::new(address, port)).await
    };
    connecting
        .await
        .map_err(|error: std::io::Error| format!("the app does not listen on port {port}: {error}"))
}

/// 200 if the app says that it serves.
pub(super) async fn grpc(address: IpAddr, probe: &Grpc) -> Result<StatusCode, String> {
    let stream = tcp(address, probe.port).await?;
    let host = SocketAddr::new(address, probe.port).to_string();
    // It is the kubelet that asks, and no check of another sidecar's.
    let service = probe.service.as_deref().unwrap_or_default();
    match is_serving(stream, &Question { host: &host, service, agent: None }).await {
        Ok(true) => Ok(StatusCode::OK),
        Ok(false) => Err("the app says that it does not serve".to_owned()),
        Err(why) => Err(format!("the app does not answer in gRPC: {why}")),
    }
}
