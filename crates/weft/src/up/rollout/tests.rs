use super::*;
use serde_json::json;

fn pod(kind: &str, place: &str, name: &str, template: &str, update: Update) -> Pod {
    serde_json::from_value(json!({
        "name": name, "namespace": "shop", "kind": kind, "workload": "web", "service_account": "default",
        "services": [], "labels": {}, "annotations": {}, "address": "127.64.0.1", "localhost": "127.64.0.2",
        "sidecar": true, "containers": [], "ports": [], "tcp": {}, "environment": [], "rewritten": [],
        "ready": true, "template": template, "place": place, "update": update,
    }))
    .unwrap()
}

/// Carries out what is decided, a step a turn: a new pod is ready a turn after its start, an old one is gone a turn
/// after its stop. Tells how many were there at most, and how few were ready.
fn rolls(before: &[Pod], wanted: &[Pod]) -> (usize, usize, Vec<String>) {
    let mut there: Vec<(Pod, bool, bool)> = before.iter().map(|pod| (pod.clone(), true, false)).collect();
    let (mut most, mut fewest, mut order) = (there.len(), there.len(), Vec::new());
    for _ in 0..100 {
        let seen: Vec<There<'_>> = there
            .iter()
            .map(|(pod, ready, leaving)| There { pod, ready: *ready, leaving: *leaving })
            .collect();
        let steps = steps(wanted, &seen);
        if steps.settled {
            assert_eq!(there.len(), wanted.len());
            return (most, fewest, order);
        }
        there.retain(|(_, _, leaving)| !leaving);
        there.iter_mut().for_each(|(_, ready, _)| *ready = true);
        for (pod, ready, leaving) in &mut there {
            if steps.stops.contains(&key(pod)) {
                (*ready, *leaving) = (false, true);
                order.push(pod.name.clone());
            }
        }
        there.extend(steps.starts.into_iter().map(|pod| (pod, false, false)));
        most = most.max(there.iter().filter(|(_, _, leaving)| !leaving).count());
        fewest = fewest.min(there.iter().filter(|(_, ready, _)| *ready).count());
    }
    panic!("it never settles: {there:#?}");
}

fn deployment(template: &str, replicas: usize, update: Update) -> Vec<Pod> {
    let pod = |nth: usize| {
        pod("Deployment", &format!("web-{nth}"), &format!("web-{nth}-{template}"), template, update)
    };
    (1..=replicas).map(pod).collect()
}

#[test]
fn a_single_replica_is_replaced_by_one_that_is_ready() {
    let update = Update::Surge { surge: 1, unavailable: 0 };
    let (most, fewest, _) = rolls(&deployment("old", 1, update), &deployment("new", 1, update));
    assert_eq!((most, fewest), (2, 1));
}

#[test]
fn surge_and_unavailable_are_kept_to() {
    for (replicas, surge, unavailable) in [(4, 1, 1), (4, 0, 1), (5, 5, 0), (3, 1, 0), (10, 3, 2)] {
        let update = Update::Surge { surge, unavailable };
        let (most, fewest, _) =
            rolls(&deployment("old", replicas, update), &deployment("new", replicas, update));
        assert!(most <= replicas + surge as usize, "{replicas} {surge} {unavailable}: {most}");
        assert!(fewest >= replicas - unavailable as usize, "{replicas} {surge} {unavailable}: {fewest}");
    }
}

#[test]
fn an_old_pod_stays_while_its_successor_is_not_ready_and_goes_when_it_does_not_serve_either() {
    let update = Update::Surge { surge: 1, unavailable: 0 };
    let (old, new) = (deployment("old", 2, update), deployment("new", 2, update));
    let there = |pod, ready| There { pod, ready, leaving: false };
    let waits = steps(&new, &[there(&old[0], true), there(&old[1], true), there(&new[0], false)]);
    assert_eq!((waits.starts.len(), waits.stops.len(), waits.settled), (0, 0, false));
    let broken = steps(&new, &[there(&old[0], true), there(&old[1], false), there(&new[0], true)]);
    assert_eq!(broken.stops, [key(&old[1])], "the one that does not serve goes first");
}

#[test]
fn a_second_edit_in_the_middle_of_a_rollout_ends_with_its_own_pods() {
    let update = Update::Surge { surge: 1, unavailable: 0 };
    let mut half = deployment("old", 3, update);
    half.extend(deployment("new", 1, update));
    let (most, fewest, _) = rolls(&half, &deployment("newer", 3, update));
    assert!(most <= 4 && fewest >= 3, "{most} {fewest}");
}

#[test]
fn fewer_replicas_stop_the_last_ones_at_once_and_more_start_at_once() {
    let update = Update::Surge { surge: 1, unavailable: 0 };
    let (three, one) = (deployment("t", 3, update), deployment("t", 1, update));
    let there = |pod| There { pod, ready: true, leaving: false };
    let fewer = steps(&one, &three.iter().map(there).collect::<Vec<_>>());
    assert_eq!(fewer.stops, [key(&three[2]), key(&three[1])]);
    assert_eq!(steps(&three, &one.iter().map(there).collect::<Vec<_>>()).starts.len(), 2);
    assert_eq!(steps(&[], &one.iter().map(there).collect::<Vec<_>>()).stops.len(), 1);
}

fn set(template: &str, update: Update) -> Vec<Pod> {
    let pod = |nth: u32| pod("StatefulSet", &format!("web-{nth}"), &format!("web-{nth}"), template, update);
    (0..3).map(pod).collect()
}

#[test]
fn a_stateful_set_is_replaced_one_by_one_from_its_end() {
    let update = Update::InPlace { partition: 0 };
    let (most, fewest, order) = rolls(&set("old", update), &set("new", update));
    assert_eq!((most, fewest), (3, 2));
    assert_eq!(order, ["web-2", "web-1", "web-0"]);
}

#[test]
fn a_partition_keeps_what_is_below_it() {
    let update = Update::InPlace { partition: 2 };
    let (_, _, order) = rolls(&set("old", update), &set("new", update));
    assert_eq!(order, ["web-2"]);
}

#[test]
fn recreate_starts_nothing_before_all_is_gone() {
    let (old, new) = (deployment("old", 2, Update::Recreate), deployment("new", 2, Update::Recreate));
    let (most, fewest, order) = rolls(&old, &new);
    assert_eq!((most, fewest, order.len()), (2, 0, 2));
}
