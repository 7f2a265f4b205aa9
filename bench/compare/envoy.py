"""Envoy's side of the comparison: what a sidecar of a mesh has, written as a static bootstrap."""

import os

import certificates

TYPE = "type.googleapis.com/envoy.extensions."
# As many as the AuthorizationPolicies of weft's mesh (mesh/security.yaml).
POLICIES = 20
SERVER_NAME = "outbound_.80_._.server.compare.svc.cluster.local"
# As breakers/server.yaml has them for weft's client; of its own app a server's side has neither.
LIMITS = {"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000, "max_retries": 100}
OUTLIERS = {
    "consecutive_5xx": 5,
    "interval": "10s",
    "base_ejection_time": "30s",
    "max_ejection_percent": 100,
    "enforcing_success_rate": 0,
}


def bootstrap(side, listen, upstream, folder, h2=False):
    """One side of the pair: mTLS with exact identities, authorization (inbound), retries, no access log."""
    outbound = side == "outbound"
    own, peer = ("client", "server") if outbound else ("server", "client")
    cluster = {
        "name": "upstream",
        "type": "STATIC",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "upstream",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}],
        },
        "circuit_breakers": {"thresholds": [LIMITS if outbound else dict.fromkeys(LIMITS, 2**32 - 1)]},
    }
    if outbound:
        cluster["outlier_detection"] = OUTLIERS
    if h2:
        kind, spoken = "upstreams.http.v3.HttpProtocolOptions", {"explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {f"envoy.extensions.{kind}": typed(kind, spoken)["typed_config"]}
    connection_manager = typed("filters.network.http_connection_manager.v3.HttpConnectionManager", manager(side))
    chain = {"filters": [connection_manager]}
    if outbound:
        context = {"sni": SERVER_NAME, "common_tls_context": tls(folder, own, peer, h2)}
        cluster["transport_socket"] = typed("transport_sockets.tls.v3.UpstreamTlsContext", context)
    else:
        context = {"require_client_certificate": True, "common_tls_context": tls(folder, own, peer, h2)}
        chain["transport_socket"] = typed("transport_sockets.tls.v3.DownstreamTlsContext", context)
    listener = {"name": side, "address": address(listen), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def manager(side):
    retries = {"retry_on": "connect-failure,refused-stream,unavailable", "num_retries": 2}
    route = {"cluster": "upstream", "timeout": "0s", "retry_policy": retries}
    filters = [] if side == "outbound" else [typed("filters.http.rbac.v3.RBAC", {"rules": rules()})]
    filters += [
        typed("filters.http.grpc_stats.v3.FilterConfig", {"emit_filter_state": True}),
        typed("filters.http.fault.v3.HTTPFault", {}),
        typed("filters.http.cors.v3.Cors", {}),
        typed("filters.http.router.v3.Router", {}),
    ]
    return {
        "stat_prefix": side,
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [
                {"name": "server", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
            ]
        },
    }


def rules():
    """One policy lets the client in, the others name somebody else."""
    names = [f"other-{number}" for number in range(1, POLICIES)] + ["client"]
    principal = lambda name: {"authenticated": {"principal_name": {"exact": certificates.identity(name)}}}
    return {
        "action": "ALLOW",
        "policies": {name: {"permissions": [{"any": True}], "principals": [principal(name)]} for name in names},
    }


def tls(folder, own, peer, h2):
    path = os.path.join(folder, own)
    matcher = {"san_type": "URI", "matcher": {"exact": certificates.identity(peer)}}
    return {
        "tls_certificates": [
            {"certificate_chain": {"filename": f"{path}.pem"}, "private_key": {"filename": f"{path}.key"}}
        ],
        "validation_context": {
            "trusted_ca": {"filename": f"{folder}/ca.pem"},
            "match_typed_subject_alt_names": [matcher],
        },
        "alpn_protocols": ["h2" if h2 else "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
    }


def typed(kind, config):
    return {"name": kind, "typed_config": {"@type": TYPE + kind, **config}}


def address(of):
    return {"socket_address": {"address": of[0], "port_value": of[1]}}
