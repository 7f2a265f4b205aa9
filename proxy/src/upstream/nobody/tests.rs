use super::*;

fn why(name: &str, discovery: Discovery, all: Option<usize>) -> String {
    empty(&Cluster { name: name.into(), discovery, ..Cluster::default() }, all)
}

#[test]
fn a_cluster_without_endpoints_says_what_it_lacks() {
    let eds = || Discovery::Eds(String::new());
    let web = "outbound|80||web.shop.svc.cluster.local";
    assert_eq!(
        why(web, eds(), Some(0)),
        "no pod of web.shop.svc.cluster.local takes requests at port 80: none is ready, or the Service's selector \
         matches none; see `weft status`"
    );
    let of_subset = "outbound|80|v9|web.shop.svc.cluster.local";
    let labels = "no pod of web.shop.svc.cluster.local has the labels of subset \"v9\"";
    assert_eq!(why(of_subset, eds(), Some(3)), format!("{labels} (pods that take requests: 3)"));
    assert_eq!(why(of_subset, eds(), None), labels);
    // Where the service itself has nobody it is not the labels' fault.
    assert_eq!(why(of_subset, eds(), Some(0)), why(web, eds(), Some(0)));
    assert!(why("outbound|443||bank.example", eds(), None).contains("its ServiceEntry has no endpoints"));
    assert!(why("outbound|443||bank.example", Discovery::StrictDns, None).contains("does not resolve"));
    assert!(why(BLACK_HOLE, Discovery::Static, None).contains("REGISTRY_ONLY"));
    assert!(why("odd", Discovery::Unknown("dance".into()), None).contains("type dance"));
}

#[test]
fn those_that_are_out_are_counted_by_what_put_them_out() {
    let said = |ejected, ill, told| Out { ejected, ill, told }.to_string();
    assert_eq!(said(2, 0, 0), "2 ejected after failures (outlierDetection)");
    let both = said(1, 2, 0);
    assert_eq!(
        both,
        "1 ejected after failures (outlierDetection), 2 failing health checks (weft.dev/health-check)"
    );
    assert_eq!(said(0, 0, 1), "1 leaving or not ready, as the control plane says");
}
