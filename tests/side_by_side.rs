//! The same YAML in weft's proxy and in a real Envoy, both told what to do by weft's control plane (Envoy over delta ADS),
//! before apps that fail in the same ways: what a client, an app and an operator see is the same, or the difference is
//! documented. The test's output is a table of all of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "side_by_side/app.rs"]
mod app;
#[path = "side_by_side/client.rs"]
mod client;
#[path = "side_by_side/mesh.rs"]
mod mesh;
#[path = "side_by_side/proxy.rs"]
mod proxy;
#[path = "side_by_side/scene.rs"]
mod scene;
#[path = "side_by_side/table.rs"]
mod table;

#[path = "side_by_side/breakers.rs"]
mod breakers;
#[path = "side_by_side/checks.rs"]
mod checks;
#[path = "side_by_side/filters.rs"]
mod filters;
#[path = "side_by_side/heads.rs"]
mod heads;
#[path = "side_by_side/lasting.rs"]
mod lasting;
#[path = "side_by_side/outliers.rs"]
mod outliers;
#[path = "side_by_side/retries.rs"]
mod retries;
#[path = "side_by_side/shares.rs"]
mod shares;
#[path = "side_by_side/times.rs"]
mod times;

use std::sync::Arc;
use std::time::Duration;

use app::{App, Witness};
use mesh::{Mesh, Net};
use proxy::{Place, Program, Proxy};
use scene::{Line, Scene};
use table::Table;
use tokio::task::JoinSet;
use weft_testkit::envoy;
use weft_testkit::plane::Plane;

/// What a scene may take on a machine that is busy with all others.
const LONGEST: Duration = Duration::from_secs(40);

fn scenes() -> Vec<Scene> {
    let all = [
        times::scenes(),
        retries::scenes(),
        breakers::scenes(),
        outliers::scenes(),
        checks::scenes(),
        filters::scenes(),
        heads::scenes(),
        lasting::scenes(),
        shares::scenes(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn weft_and_a_stock_envoy_do_the_same_with_the_same_yaml() {
    let Some(program) = envoy::program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let scenes: Arc<[Scene]> = scenes().into();
    let [ours, theirs] = ["weft", "envoy"].map(|name| folder.path().join(name));
    let [weft, envoy] = [&ours, &theirs].map(|log| Mesh::of(&scenes, Net::find(), log));
    let plane = Plane::serve(&envoy.world);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let lines = runtime.block_on(async {
        let running = envoy::Envoy::beside(&program, &envoy.node("envoy"), &plane);
        let apps = [serve(&scenes, weft.net()).await, serve(&scenes, envoy.net()).await];
        let sidecar = weft_testkit::mesh::Mesh::new().sidecar("client");
        let told = weft.configuration();
        sidecar.configure(&told.clusters, &told.endpoints, &told.listeners, &told.routes).await;
        let proxies = [
            Proxy::new(Program::Weft(Box::new(sidecar)), weft.net().proxy(), ours),
            Proxy::new(Program::Envoy(running), envoy.net().proxy(), theirs),
        ];
        weft_testkit::eventually("Envoy listens", async || {
            tokio::net::TcpStream::connect(envoy.net().proxy()).await.is_ok()
        })
        .await;
        play(&scenes, proxies.map(Arc::new), &apps, [weft.net(), envoy.net()]).await
    });
    let table = Table::of(&scenes, &lines);
    println!("{table}");
    assert!(table.wrong().is_empty(), "{}", table.wrong().join("\n"));
}

/// The apps of each scene.
async fn serve(scenes: &[Scene], net: &Net) -> Vec<(Vec<App>, Witness)> {
    let mut all = Vec::new();
    for (number, scene) in scenes.iter().enumerate() {
        let witness = Witness::default();
        let apps: Vec<_> = (0..scene.apps.len()).map(|app| App::new(app, witness.clone())).collect();
        for (place, app) in apps.iter().enumerate().filter(|(place, _)| !scene.gone.contains(place)) {
            app.serve(net.app(number, place)).await;
        }
        all.push((apps, witness));
    }
    all
}

/// All scenes at once, before both proxies; what was seen of each, before each.
async fn play(
    scenes: &[Scene],
    proxies: [Arc<Proxy>; 2],
    apps: &[Vec<(Vec<App>, Witness)>; 2],
    nets: [&Net; 2],
) -> Vec<[Vec<Line>; 2]> {
    let mut playing = JoinSet::new();
    for (number, scene) in scenes.iter().enumerate() {
        for (side, proxy) in proxies.iter().enumerate() {
            let apps = apps[side][number].clone();
            let place = Place::new(proxy.clone(), scene.name, apps, nets[side].bytes(number));
            let play = scene.play;
            playing.spawn(async move {
                // What a proxy does so that the scene cannot go on is seen of it, too.
                let seen = tokio::spawn(tokio::time::timeout(LONGEST, play(place))).await;
                let seen = seen.map_err(|error| error.to_string());
                let seen = seen.and_then(|seen| seen.map_err(|_| format!("not over after {LONGEST:?}")));
                (number, side, seen.unwrap_or_else(|error| vec![scene::line("the scene broke off", error)]))
            });
        }
    }
    let mut lines = vec![[Vec::new(), Vec::new()]; scenes.len()];
    while let Some(done) = playing.join_next().await {
        let (number, side, seen) = done.unwrap();
        lines[number][side] = seen;
    }
    lines
}
