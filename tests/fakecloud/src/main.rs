//! FakeCloud's Glacier on a free port of 127.0.0.1, with its own verification of signatures. The first line on standard
//! output is the endpoint; it runs until standard input ends.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use fakecloud_core::auth::{CredentialResolver, Principal, PrincipalType, ResolvedCredential};
use fakecloud_core::dispatch::{DispatchConfig, dispatch};
use fakecloud_core::multi_account::MultiAccountState;
use fakecloud_core::registry::ServiceRegistry;
use fakecloud_glacier::GlacierService;
use parking_lot::RwLock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let state = MultiAccountState::new(ACCOUNT, REGION, &endpoint);
    let mut registry = ServiceRegistry::new();
    registry.register(Arc::new(GlacierService::new(Arc::new(RwLock::new(state)))));
    let mut config = DispatchConfig::new(REGION, ACCOUNT);
    config.verify_sigv4 = true;
    config.credential_resolver = Some(Arc::new(OneKey));
    let app = Router::new().fallback(dispatch).layer(Extension(Arc::new(registry))).layer(Extension(Arc::new(config)));
    println!("{endpoint}");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(end_of_input())
        .await?;
    Ok(())
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut byte = [0];
    while input.read(&mut byte).await.is_ok_and(|read| read > 0) {}
}

/// The key of the guide's examples.
struct OneKey;

impl CredentialResolver for OneKey {
    fn resolve(&self, access_key_id: &str) -> Option<ResolvedCredential> {
        (access_key_id == KEY_ID).then(|| ResolvedCredential {
            secret_access_key: SECRET.to_owned(),
            session_token: None,
            principal: Principal {
                arn: format!("arn:aws:iam::{ACCOUNT}:user/test"),
                user_id: KEY_ID.to_owned(),
                account_id: ACCOUNT.to_owned(),
                principal_type: PrincipalType::User,
                source_identity: None,
                tags: None,
            },
            session_policies: Vec::new(),
            mfa_present: false,
            token_issued_at: None,
            federated_provider: None,
        })
    }
}
