//! The lab against the real kernel: what it promises to the tests that stand on it.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use portolan_lab::lab::End;
use portolan_lab::net::addresses::{CORE_V4, CORE_V6, EXTERNAL_V4, EXTERNAL_V6};
use portolan_lab::{Attempted, Lab, Place, PodSpec, Protocol, Seen, ServiceSpec};

const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(200);

/// Two nodes, a web pod on the first, a client on each.
fn small(name: &str) -> Lab {
    let mut lab = Lab::new(name).unwrap();
    lab.node("n1").unwrap();
    lab.node("n2").unwrap();
    let web = PodSpec::new("shop/web").node("n1").label("app", "web").port("http", 8080, "TCP");
    lab.pod(web.owner("Deployment", "web")).unwrap();
    lab.pod(PodSpec::new("shop/near").node("n1")).unwrap();
    lab.pod(PodSpec::new("shop/far").node("n2")).unwrap();
    lab
}

fn namespaces_of_this_process() -> Vec<String> {
    let prefix = format!("plab-{}-", std::process::id());
    let entries = fs::read_dir("/run/netns").unwrap().flatten();
    entries.map(|e| e.file_name().into_string().unwrap()).filter(|name| name.starts_with(&prefix)).collect()
}

fn connected(attempt: &Attempted) -> bool {
    matches!(attempt.result, Seen::Connected { sent, received, closed: true } if sent == received && sent > 0)
}

#[test]
fn pods_reach_each_other_on_one_node_and_across_two_in_both_families() {
    let lab = small("reach");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    for client in ["shop/near", "shop/far"] {
        for address in &web.addresses {
            let attempt = lab.connect_tcp(client, *address, 8080, SECOND).unwrap();
            assert!(connected(&attempt), "{attempt:?}");
            let own = lab.pod_info(client).unwrap().addresses;
            assert!(own.contains(&attempt.local.unwrap().ip()), "{attempt:?}");
        }
    }
    assert_eq!(lab.attempts().len(), 4);
}

#[test]
fn a_cluster_of_two_nodes_and_ten_pods_stands_quickly() {
    let begun = Instant::now();
    let mut lab = Lab::new("quick").unwrap();
    lab.node("n1").unwrap();
    lab.node("n2").unwrap();
    for number in 0..10 {
        let node = if number % 2 == 0 { "n1" } else { "n2" };
        lab.pod(PodSpec::new(&format!("shop/p{number}")).node(node).label("app", "p")).unwrap();
    }
    lab.service(ServiceSpec::new("shop/p").port(80, 8080, "TCP").selects([("app", "p")])).unwrap();
    let stood = begun.elapsed();
    let first = lab.pod_info("shop/p9").unwrap();
    let attempt = lab.ping("shop/p0", first.v4(), 1, SECOND).unwrap();
    assert!(attempt.result.succeeded(), "{attempt:?}");
    eprintln!("stood in {stood:?}, first answer after {:?}", begun.elapsed());
    assert!(stood < Duration::from_secs(5), "{stood:?}");
}

#[test]
fn a_service_shares_its_connections_among_its_pods_and_follows_them() {
    let mut lab = small("service");
    lab.pod(PodSpec::new("shop/web2").node("n2").label("app", "web").port("http", 9090, "TCP")).unwrap();
    let service =
        lab.service(ServiceSpec::new("shop/web").port(80, "http", "TCP").selects([("app", "web")])).unwrap();
    let (one, two) = (lab.serve_tcp("shop/web", 8080).unwrap(), lab.serve_tcp("shop/web2", 9090).unwrap());
    for round in 0..40 {
        let address = if round % 2 == 0 { service.v4() } else { service.v6() };
        let attempt = lab.connect_tcp("shop/far", address, 80, SECOND).unwrap();
        assert!(connected(&attempt), "{attempt:?}");
    }
    assert_eq!(one.served() + two.served(), 40);
    assert!(one.served() > 0 && two.served() > 0, "{} and {}", one.served(), two.served());

    lab.delete_pod("shop/web2").unwrap();
    for _ in 0..10 {
        assert!(connected(&lab.connect_tcp("shop/far", service.v4(), 80, SECOND).unwrap()));
    }
    lab.delete_pod("shop/web").unwrap();
    let attempt = lab.connect_tcp("shop/far", service.v4(), 80, SECOND).unwrap();
    assert_eq!(attempt.result, Seen::Refused, "a service without endpoints refuses");
}

#[test]
fn a_pod_reaches_itself_through_its_service() {
    let mut lab = small("hairpin");
    let service =
        lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")])).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    for address in service.addresses {
        let attempt = lab.connect_tcp("shop/web", address, 80, SECOND).unwrap();
        assert!(connected(&attempt), "{attempt:?}");
    }
}

#[test]
fn a_node_port_opens_on_every_node() {
    let mut lab = small("nodeport");
    let spec = ServiceSpec::new("shop/web").port(80, 8080, "TCP").node_port(30080).selects([("app", "web")]);
    lab.service(spec).unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    for node in ["n1", "n2"] {
        for address in lab.node_info(node).unwrap().addresses.both() {
            let attempt = lab.connect_tcp("external", address, 30080, SECOND).unwrap();
            assert!(connected(&attempt), "{node}: {attempt:?}");
        }
    }
}

#[test]
fn every_fate_of_a_tcp_attempt_is_told_apart() {
    let lab = small("fates");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    lab.node_nft(
        "n1",
        "table inet witness { chain forward { type filter hook forward priority 0;
            tcp dport 81 drop; tcp dport 82 reject with tcp reset; tcp dport 83 reject with icmpx admin-prohibited; }
        }",
    )
    .unwrap();
    for address in &web.addresses {
        let result = |port| lab.connect_tcp("shop/far", *address, port, SHORT).unwrap();
        assert!(connected(&result(8080)));
        assert_eq!(result(80).result, Seen::Refused);
        assert_eq!(result(81).result, Seen::TimedOut);
        assert_eq!(result(82).result, Seen::Refused);
        let prohibited = if address.is_ipv4() { libc::EHOSTUNREACH } else { libc::EACCES };
        assert_eq!(result(83).result, Seen::Unreachable(prohibited));
    }
    for attempt in lab.attempts() {
        let local = attempt.local.unwrap();
        assert_ne!(local.port(), 0, "{attempt:?}");
        assert_eq!(local.is_ipv4(), attempt.destination.is_ipv4(), "{attempt:?}");
        assert!(attempt.started <= attempt.ended);
    }
}

#[test]
fn every_fate_of_a_datagram_is_told_apart() {
    let lab = small("datagrams");
    let web = lab.pod_info("shop/web").unwrap();
    let (_echo, silent) =
        (lab.serve_udp("shop/web", 53).unwrap(), lab.serve_udp_silent("shop/web", 514).unwrap());
    for address in &web.addresses {
        let result = |port| lab.send_udp("shop/near", *address, port, SHORT).unwrap().result;
        assert!(matches!(result(53), Seen::Answered { received } if received > 0));
        assert_eq!(result(514), Seen::Silent);
        assert_eq!(result(515), Seen::Refused);
    }
    assert_eq!(silent.served(), 2);
}

#[test]
fn names_of_services_are_resolved_through_the_dns_service() {
    let mut lab = small("names");
    lab.pod(PodSpec::new("kube-system/dns").node("n2").label("k8s-app", "kube-dns")).unwrap();
    let dns = ServiceSpec::new("kube-system/kube-dns").port(53, 53, "UDP").selects([("k8s-app", "kube-dns")]);
    let dns = lab.service(dns).unwrap();
    let web =
        lab.service(ServiceSpec::new("shop/web").port(80, 8080, "TCP").selects([("app", "web")])).unwrap();
    let _server = lab.serve_dns("kube-system/dns").unwrap();
    for (v4, expected) in [(true, web.v4()), (false, web.v6())] {
        let name = "web.shop.svc.cluster.local";
        let (attempt, found) = lab.resolve("shop/near", dns.v4(), name, v4, SECOND).unwrap();
        assert!(attempt.result.succeeded(), "{attempt:?}");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn echo_requests_are_answered_or_silent() {
    let lab = small("echo");
    let web = lab.pod_info("shop/web").unwrap();
    for address in &web.addresses {
        let attempt = lab.ping("shop/far", *address, 3, SECOND).unwrap();
        assert!(matches!(attempt.result, Seen::Answered { received } if received >= 3 * 8), "{attempt:?}");
        assert_eq!(attempt.protocol, Protocol::Icmp);
        assert_ne!(attempt.local.unwrap().port(), 0, "the identifier");
    }
    lab.nft("shop/web", "table inet t {\nchain c { type filter hook input priority 0; drop; }\n}").unwrap();
    assert_eq!(lab.ping("shop/far", web.v4(), 1, SHORT).unwrap().result, Seen::Silent);
    assert_eq!(lab.ping("shop/far", web.v6(), 1, SHORT).unwrap().result, Seen::Silent);
}

#[test]
fn a_full_backlog_drops_what_comes_after() {
    let lab = small("backlog");
    let web = lab.pod_info("shop/web").unwrap();
    let _deaf = lab.serve_tcp_deaf("shop/web", 8080, 0).unwrap();
    let first = lab.open_tcp("shop/near", web.v4(), 8080, SECOND).unwrap().unwrap();
    let second = lab.connect_tcp("shop/near", web.v4(), 8080, SHORT).unwrap();
    assert_eq!(second.result, Seen::TimedOut);
    assert!(first.attempt.result.succeeded());
}

#[test]
fn the_host_outside_reaches_pods_and_is_reached() {
    let lab = small("outside");
    let web = lab.pod_info("shop/web").unwrap();
    let _inside = lab.serve_tcp("shop/web", 8080).unwrap();
    let _outside = lab.serve_tcp("external", 443).unwrap();
    for address in &web.addresses {
        assert!(connected(&lab.connect_tcp("external", *address, 8080, SECOND).unwrap()));
    }
    for address in [IpAddr::from(EXTERNAL_V4), EXTERNAL_V6.into()] {
        let attempt = lab.connect_tcp("shop/web", address, 443, SECOND).unwrap();
        assert!(connected(&attempt), "{attempt:?}");
    }
    lab.external_address("203.0.113.20".parse().unwrap()).unwrap();
    assert!(connected(&lab.connect_tcp("shop/far", "203.0.113.20".parse().unwrap(), 443, SECOND).unwrap()));
    let source = "203.0.113.20".parse().unwrap();
    let attempt = lab.connect_tcp_from("external", Some(source), web.v4(), 8080, SECOND).unwrap();
    assert_eq!(attempt.local.unwrap().ip(), source);
    assert!(connected(&attempt));
}

#[test]
fn nodes_and_host_network_pods_are_clients_and_servers() {
    let mut lab = small("hosts");
    let web = lab.pod_info("shop/web").unwrap();
    let host = lab.pod(PodSpec::new("kube-system/proxy").node("n2").host_network()).unwrap();
    assert_eq!(host.addresses, lab.node_info("n2").unwrap().addresses.both());
    let _pod = lab.serve_tcp("shop/web", 8080).unwrap();
    let _host = lab.serve_tcp("kube-system/proxy", 9100).unwrap();
    for address in &web.addresses {
        for from in [Place::Node("n1".to_owned()), Place::from("kube-system/proxy")] {
            let attempt = lab.connect_tcp(from, *address, 8080, SECOND).unwrap();
            assert!(connected(&attempt), "{attempt:?}");
        }
    }
    for address in host.addresses {
        assert!(connected(&lab.connect_tcp("shop/near", address, 9100, SECOND).unwrap()));
    }
}

#[test]
fn the_core_is_reached_from_nodes_and_from_this_machine() {
    let lab = small("core");
    assert_ne!(lab.listen_in_core(0).unwrap().local_addr().unwrap().port(), 0);
    let port = 7000;
    let _server = lab.serve_tcp("core", port).unwrap();
    for address in [IpAddr::from(CORE_V4), CORE_V6.into()] {
        assert!(connected(&lab.connect_tcp("n2", address, port, SECOND).unwrap()));
    }
    let outside = lab.expose(port).unwrap();
    let mut stream = std::net::TcpStream::connect(outside).unwrap();
    std::io::Write::write_all(&mut stream, b"hello").unwrap();
    let mut answer = [0; 5];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_dead_address_is_dropped_by_its_node() {
    let lab = small("dead");
    let attempt = lab.connect_tcp("shop/far", "10.244.1.99".parse().unwrap(), 80, SHORT).unwrap();
    assert_eq!(attempt.result, Seen::TimedOut);
}

#[test]
fn an_address_passes_from_one_pod_to_another_on_another_node() {
    let mut lab = small("reuse");
    let web = lab.pod_info("shop/web").unwrap();
    lab.delete_pod("shop/web").unwrap();
    lab.pod(PodSpec::new("shop/new").node("n2").ip(web.v4()).ip(web.v6())).unwrap();
    let _server = lab.serve_tcp("shop/new", 8080).unwrap();
    for client in ["shop/near", "shop/far"] {
        for address in &web.addresses {
            let attempt = lab.connect_tcp(client, *address, 8080, SECOND).unwrap();
            assert!(connected(&attempt), "{attempt:?}");
        }
    }
    lab.delete_pod("shop/new").unwrap();
    assert_eq!(lab.connect_tcp("shop/near", web.v4(), 8080, SHORT).unwrap().result, Seen::TimedOut);
}

#[test]
fn a_veth_keeps_working_under_another_name_and_ends_with_its_deletion() {
    let mut lab = small("veth");
    let web = lab.pod_info("shop/web").unwrap();
    assert!(web.veth.as_ref().unwrap().starts_with("cali"));
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    lab.rename_veth("shop/web", "lxc12345").unwrap();
    for address in &web.addresses {
        assert!(connected(&lab.connect_tcp("shop/far", *address, 8080, SECOND).unwrap()));
    }
    lab.delete_pod_interface("shop/web").unwrap();
    assert!(!lab.run("n1", "ip", &["-br", "link"]).unwrap().contains("lxc12345"));
    assert_eq!(lab.connect_tcp("shop/far", web.v4(), 8080, SHORT).unwrap().result, Seen::TimedOut);
}

#[test]
fn broken_frames_arrive_on_the_other_end() {
    let lab = small("frames");
    let veth = lab.pod_info("shop/near").unwrap().veth.unwrap();
    let received = |place: &str, device: &str| -> u64 {
        let path = format!("/sys/class/net/{device}/statistics/rx_packets");
        // A fresh mount shows the devices of the namespace it is made in.
        let script = format!("mount -t sysfs lab /sys && cat {path}");
        let shown = lab.run(place, "unshare", &["--mount", "sh", "-c", &script]).unwrap();
        shown.trim().parse().unwrap()
    };
    let before = (received("n1", &veth), received("shop/near", "eth0"));
    for length in [14, 15, 33, 60] {
        lab.inject_frame("shop/near", End::Pod, &vec![0xff; length]).unwrap();
        lab.inject_frame("shop/near", End::Host, &vec![0xff; length]).unwrap();
    }
    assert!(received("n1", &veth) >= before.0 + 4);
    assert!(received("shop/near", "eth0") >= before.1 + 4);
}

#[test]
fn a_process_lives_in_its_node_and_its_lines_are_kept() {
    let lab = small("process");
    let mut command = Command::new("sh");
    command.args(["-c", "readlink /proc/self/ns/net; echo ready >&2; exec sleep 60"]);
    let mut child = lab.spawn_in_node("n2", command).unwrap();
    child.wait_for_stderr(Duration::from_secs(5), |line| line == "ready").unwrap();
    let inode = lab.node_info("n2").unwrap().inode;
    child.wait_for_stdout(Duration::from_secs(5), |line| line == format!("net:[{inode}]")).unwrap();
    assert_eq!(child.stdout().len(), 1);
    let status = child.terminate(Duration::from_secs(5)).unwrap();
    assert!(portolan_lab::process::ended_by(status, nix::sys::signal::Signal::SIGTERM), "{status}");
    let error = child.wait_for_stdout(SECOND, |line| line == "never").unwrap_err().to_string();
    assert!(error.contains("net:["), "{error}");
}

#[test]
fn nothing_is_left_behind() {
    let lab = small("leftovers");
    let child = lab
        .spawn_in_pod("shop/web", {
            let mut c = Command::new("sleep");
            c.arg("600");
            c
        })
        .unwrap();
    let mine = |names: Vec<String>| names.into_iter().filter(|name| name.contains(".leftovers.")).count();
    assert_eq!(mine(namespaces_of_this_process()), 7);
    let pid = child.id();
    std::mem::forget(child);
    drop(lab);
    assert_eq!(mine(namespaces_of_this_process()), 0);
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

#[test]
fn what_a_dead_process_left_is_swept() {
    // No process has this id: it is above the kernel's limit.
    let name = "plab-4194999-1f-0.old.core";
    assert!(Command::new("ip").args(["netns", "add", name]).status().unwrap().success());
    let lab = Lab::new("sweep").unwrap();
    assert!(!fs::exists(format!("/run/netns/{name}")).unwrap());
    drop(lab);
}

#[test]
fn two_labs_stand_side_by_side_with_the_same_addresses() {
    let (one, two) = (small("one"), small("two"));
    let web = one.pod_info("shop/web").unwrap().v4();
    assert_eq!(web, two.pod_info("shop/web").unwrap().v4());
    let _server = one.serve_tcp("shop/web", 8080).unwrap();
    assert!(connected(&one.connect_tcp("shop/far", web, 8080, SECOND).unwrap()));
    assert_eq!(two.connect_tcp("shop/far", web, 8080, SECOND).unwrap().result, Seen::Refused);
}

#[test]
fn a_broken_ruleset_is_refused_with_its_text() {
    let lab = small("broken");
    let error = lab.node_nft("n1", "table inet x { chain y { frobnicate; } }").unwrap_err().to_string();
    assert!(error.contains("frobnicate") && error.contains("nft"), "{error}");
    assert!(lab.node_nft("n9", "").unwrap_err().to_string().contains("\"n9\""));
}
