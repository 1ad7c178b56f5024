//! What is served beside the flows: metrics, health, reflection; and ports that are taken.

use crate::{
    outward,
    support::{Collector, DEADLINE},
};
use portolan_collector::Config;
use portolan_proto::v1;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(crate) async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: collector\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn metrics_and_health_are_there() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1)]);
    batch.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    agent.send(batch).await.unwrap();
    let metrics = get(collector.http, "/metrics").await;
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    for line in [
        "portolan_collector_batches_total 1",
        "portolan_collector_flows_total{verdict=\"allowed\"} 1",
        "portolan_collector_flows_kept 1",
        "portolan_collector_agent_records_lost_total{node=\"n1\",cause=\"ring-full\"} 7",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(get(collector.http, "/healthz").await.starts_with("HTTP/1.1 200"));
    let mut health = tonic_health::pb::health_client::HealthClient::new(collector.channel().await);
    for service in ["", "portolan.v1.Ingest", "portolan.v1.Flows", "portolan.v1.Graph", "portolan.v1.Status"]
    {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(
            answer.status(),
            tonic_health::pb::health_check_response::ServingStatus::Serving,
            "{service}"
        );
    }
    collector.stop().await;
}

#[tokio::test]
async fn reflection_lists_every_service() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let collector = Collector::start(Config::default()).await;
    let mut client = ServerReflectionClient::new(collector.channel().await);
    let ask = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("a list, not {answer:?}") };
    let services: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in [
        "portolan.v1.Ingest",
        "portolan.v1.Flows",
        "portolan.v1.Graph",
        "portolan.v1.Status",
        "grpc.health.v1.Health",
    ] {
        assert!(services.contains(&service.to_owned()), "{service} in {services:?}");
    }
    collector.stop().await;
}

#[tokio::test]
async fn older_clients_have_reflection_too() {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let collector = Collector::start(Config::default()).await;
    let mut client = ServerReflectionClient::new(collector.channel().await);
    let ask = MessageRequest::FileContainingSymbol("portolan.v1.Flows".to_owned());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
    collector.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let collector = Collector::start(Config::default()).await;
    let any = "127.0.0.1:0".parse().unwrap();
    let error = portolan_collector::Listeners::bind(collector.grpc, any).await.unwrap_err().to_string();
    assert!(error.contains(&collector.grpc.to_string()) && error.contains("gRPC"), "{error}");
    collector.stop().await;
}
