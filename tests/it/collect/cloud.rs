//! A cloud whose vaults have another suffix than Azure's public one: the lab's own.

use kvops::inventory::Evidence;

use super::small;

#[test]
fn a_vault_is_asked_at_the_address_that_its_cloud_gives_it() {
    let bench = small();
    let suffix = bench.lab().cloud().vault_suffix().to_owned();
    assert!(!suffix.contains("azure.net"));
    let inventory = bench.collect();
    assert!(!inventory.vaults.is_empty());
    for vault in &inventory.vaults {
        assert_eq!(*vault.url, format!("https://{}.{suffix}/", vault.name));
        let certificates = vault.certificates.read().unwrap();
        assert!(certificates.iter().all(|certificate| certificate.x5t.is_some()));
    }
    assert!(inventory.coverage.gaps.iter().all(|gap| gap.evidence != Evidence::Certificates));
}
