//! Pages for people.

use crate::world::World;

#[tokio::test]
async fn the_pages_are_whole_in_the_binary_and_may_load_nothing_from_elsewhere() {
    let world = World::new().await;
    for path in ["/docs", "/admin", "/errors"] {
        let got = world.get(path).send().await;
        assert_eq!(got.status.as_u16(), 200, "{path}");
        assert!(
            got.header("content-type").starts_with("text/html"),
            "{path}"
        );
        let policy = got.header("content-security-policy");
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        let html = got.text();
        assert!(
            !html.contains("http://") && !html.contains("https://"),
            "{path} names another server"
        );
        assert!(
            !html.contains(" style=") && !html.contains("onclick="),
            "{path} has inline code"
        );
        for asset in html
            .split(['"', '\''])
            .filter(|part| part.starts_with("/static/"))
        {
            assert_eq!(
                world.get(asset).send().await.status.as_u16(),
                200,
                "{asset}"
            );
        }
    }
}

#[tokio::test]
async fn each_code_has_its_page_and_another_name_has_none() {
    let world = World::new().await;
    for (code, _) in kvit_gateway::http::codes::PAGES {
        let html = world.get(&format!("/errors/{code}")).send().await.text();
        assert!(
            html.contains(&format!("<h1><code>{code}</code></h1>")),
            "{code}"
        );
    }
    for path in [
        "/errors/nothing",
        "/errors/..%2fREADME",
        "/static/..%2f..%2fCargo.toml",
    ] {
        assert_eq!(
            world.get(path).send().await.refusal(),
            (404, "route_not_found".into()),
            "{path}"
        );
    }
}
