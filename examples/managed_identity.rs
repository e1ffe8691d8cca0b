//! Prints a token of the managed identity, taken by the Azure SDK: what any program does that runs in
//! Azure, and what the same program does on a laptop inside `kvops proxy exec`.
//!
//! ```sh
//! kvops proxy exec -- cargo run --example managed_identity https://graph.microsoft.com
//! ```

use azure_core::credentials::TokenCredential as _;
use azure_identity::ManagedIdentityCredential;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "an example writes its result")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resource = std::env::args().nth(1).unwrap_or_else(|| "https://graph.microsoft.com".to_owned());
    let credential = ManagedIdentityCredential::new(None)?;
    let token = credential.get_token(&[&format!("{}/.default", resource.trim_end_matches('/'))], None).await?;
    println!("{}", token.token.secret());
    Ok(())
}
