//! The node's address and the routes that keep every packet of the cluster on this machine.

use super::Error;
use super::command::{quietly, run};

/// The node's address; the API server listens here, since pods can't reach one on loopback.
pub const NODE: &str = "10.250.0.1";
/// Where Services get their addresses.
pub const SERVICES: &str = "10.96.0.0/16";
/// Where pods get theirs.
pub const PODS: &str = "10.244.0.0/16";

const INTERFACE: &str = "siskin-nd0";
const BRIDGE: &str = "siskin-br0";

/// Makes the interface and its routes. A packet to a Service or pod that isn't there dies on the interface
/// instead of leaving by the machine's default route.
pub fn up() -> Result<(), Error> {
    run("ip", &["link", "add", INTERFACE, "type", "veth", "peer", "name", "siskin-nd1"])?;
    run("ip", &["address", "add", &format!("{NODE}/24"), "dev", INTERFACE])?;
    run("ip", &["link", "set", INTERFACE, "up"])?;
    run("ip", &["link", "set", "siskin-nd1", "up"])?;
    run("ip", &["route", "replace", SERVICES, "dev", INTERFACE])?;
    run("ip", &["route", "replace", PODS, "dev", INTERFACE, "metric", "1000"])
}

/// Removes the interfaces, with them their routes, and the tables of kube-proxy.
pub fn down() {
    quietly("ip", &["link", "delete", INTERFACE]);
    quietly("ip", &["link", "delete", BRIDGE]);
    for family in ["ip", "ip6"] {
        quietly("nft", &["delete", "table", family, "kube-proxy"]);
    }
}
