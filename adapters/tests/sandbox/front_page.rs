//! The page at the root of the simulated services.

use crate::common::{http, sandbox};

#[tokio::test]
async fn the_root_lists_what_is_simulated_and_each_of_its_links_leads_somewhere() {
    let running = sandbox().await;
    let (client, root) = (http(), running.base_url());
    let answer = client.get(root.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/html"));
    assert!(header("content-security-policy").contains("default-src 'none'"));
    assert_eq!(header("cache-control"), "no-store");
    let page = answer.text().await.unwrap();
    for base in [running.portmone_url(), running.yookassa_url()] {
        let shown = format!("<code>{}</code>", base.path());
        assert!(page.contains(&shown), "{shown}");
    }
    assert!(page.contains("/bot&lt;token&gt;/"), "escaped");
    let links: Vec<&str> = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() > 8, "{links:?}");
    for link in links {
        let there = client.get(root.join(link).unwrap()).send().await.unwrap();
        assert_eq!(there.status(), 200, "{link}");
    }
}
