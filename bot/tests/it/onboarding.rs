//! From the first word to the first photo.

use kvit_adapters::sandbox::client::ContactOf;
use kvit_domain::user::Language;

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_accepts_the_terms_shares_the_own_contact_and_is_ready() {
    let world = World::new().await;
    let olya = world.person("uk").await;
    world.say(olya, "/start spring_26").await;
    let hello = world.heard(olya, "Вітаю!").await;
    assert_eq!(
        world.event_types().await,
        ["Registered"],
        "before the terms nothing is stored but the id"
    );
    world.press(olya, &hello, "Приймаю умови").await;
    let ask = world.heard(olya, "Куди надсилати бонуси?").await;
    assert!(
        ask.keyboard()
            .unwrap()
            .to_string()
            .contains("\"request_contact\":true")
    );
    world.own_contact(olya, "+380671234567").await;
    let saved = world.heard(olya, "збережено").await;
    assert!(
        saved.text().contains("+380 67 ***-**-67"),
        "{}",
        saved.text()
    );
    assert_eq!(
        world.event_types().await,
        ["Registered", "TermsAccepted", "PhoneShared"]
    );
    let user = world.app.user(world.user(olya)).await.unwrap();
    assert_eq!(
        (user.terms_version.as_deref(), user.language),
        (Some("2026-11"), Some(Language::Uk))
    );
    for event in world.events().await {
        let payload = event.payload.get();
        assert!(
            !payload.contains("380671234567") && !payload.contains("Оля"),
            "{payload}"
        );
        assert!(
            event
                .meta("traceparent")
                .is_some_and(|parent| parent.len() == 55),
            "a trace begins at the update"
        );
    }
    world.say(olya, "/start").await;
    world.heard(olya, "Радий бачити вас знову").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contact_of_another_person_is_not_taken() {
    let world = World::new().await;
    let (olya, taras) = (world.person("uk").await, world.person("uk").await);
    world.say(olya, "/start").await;
    world
        .press(olya, &world.heard(olya, "Вітаю!").await, "Приймаю умови")
        .await;
    world.heard(olya, "Куди надсилати").await;
    for of in [ContactOf::Account(taras), ContactOf::Nobody] {
        let before = world.said(olya).await.len();
        world
            .telegram()
            .send_contact(olya, "380501112233", of)
            .await
            .unwrap();
        let answers = world.answered(olya, before + 1).await;
        assert!(
            answers
                .last()
                .unwrap()
                .text()
                .contains("контакт іншої людини")
        );
    }
    assert!(world.app.phone(world.user(olya)).await.unwrap().is_none());
    world.own_contact(olya, "0501112233").await;
    world.heard(olya, "+380 50 ***-**-33").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_number_or_operator_is_answered_and_another_number_can_follow() {
    let world = World::new().await;
    let olya = world.person("uk").await;
    world.say(olya, "/start").await;
    world
        .press(olya, &world.heard(olya, "Вітаю!").await, "Приймаю умови")
        .await;
    world.heard(olya, "Куди надсилати").await;
    world.own_contact(olya, "+48123456789").await;
    world.heard(olya, "лише українські номери").await;
    world.own_contact(olya, "380441234567").await;
    world.heard(olya, "Номери цього оператора").await;
    world.say(olya, "0671234567").await;
    world.heard(olya, "саме надіслати кнопкою").await;
    assert_eq!(world.count("PhoneShared").await, 0);
    world.own_contact(olya, "+380931234567").await;
    world.heard(olya, "+380 93 ***-**-67").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_the_onboarding_goes_on_where_it_was() {
    let mut world = World::new().await;
    let olya = world.person("uk").await;
    world.say(olya, "/start").await;
    let hello = world.heard(olya, "Вітаю!").await;
    world.kill();
    world.press(olya, &hello, "Приймаю умови").await;
    world.start(crate::support::config());
    world.heard(olya, "Куди надсилати").await;
    world.stop().await;
    world.say(olya, "який номер?").await;
    world.start(crate::support::config());
    world.heard(olya, "саме надіслати кнопкою").await;
    world.say(olya, "/cancel").await;
    world.heard(olya, "скасовано").await;
    world.say(olya, "ой").await;
    world.heard(olya, "Я розумію фото чеків").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_language_is_a_guess_and_the_chosen_one_stays() {
    let world = World::new().await;
    let john = world.person("en-GB").await;
    world.say(john, "/start").await;
    world.heard(john, "Hello!").await;
    let stranger = world.person("pt").await;
    world.say(stranger, "/start").await;
    world.heard(stranger, "Вітаю!").await;
    world.say(john, "/language").await;
    world
        .press(john, &world.heard(john, "Which language").await, "Русский")
        .await;
    world.heard(john, "дальше по-русски").await;
    world.say(john, "/help").await;
    world.heard(john, "Как это работает").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_changed_by_the_own_contact_and_by_nothing_else() {
    let world = World::new().await;
    let (olya, taras) = (world.shopper().await, world.person("uk").await);
    let phone = async || {
        let phone = world.app.phone(world.user(olya)).await.unwrap();
        phone.map(|phone| phone.masked())
    };
    let old = phone().await;
    assert_eq!(old.as_deref(), Some("+380 67 ***-**-67"));

    world.say(olya, "/change_phone").await;
    let ask = world.heard(olya, "Зараз бонуси йдуть на").await;
    assert!(ask.text().contains("+380 67 ***-**-67"), "{}", ask.text());
    assert!(
        ask.keyboard()
            .unwrap()
            .to_string()
            .contains("\"request_contact\":true")
    );
    for of in [ContactOf::Account(taras), ContactOf::Nobody] {
        let before = world.said(olya).await.len();
        world
            .telegram()
            .send_contact(olya, "380501112233", of)
            .await
            .unwrap();
        let answers = world.answered(olya, before + 1).await;
        let last = answers.last().unwrap().text();
        assert!(last.contains("контакт іншої людини"), "{last}");
        assert_eq!(phone().await, old);
    }
    world.own_contact(olya, "+380501112233").await;
    world.heard(olya, "Номер +380 50 ***-**-33 збережено").await;
    assert_eq!(phone().await.as_deref(), Some("+380 50 ***-**-33"));
    assert_eq!(world.count("PhoneShared").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_number_that_is_cancelled_leaves_the_old_number() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.say(olya, "/change_phone").await;
    world.heard(olya, "Зараз бонуси йдуть на").await;
    world.say(olya, "0501112233").await;
    world.heard(olya, "саме надіслати кнопкою").await;
    world.say(olya, "/cancel").await;
    let left = world.heard(olya, "скасовано").await;
    assert!(
        left.keyboard()
            .is_none_or(|keyboard| !keyboard.to_string().contains("request_contact"))
    );
    world.say(olya, "0501112233").await;
    world.heard(olya, "Я розумію фото чеків").await;
    let phone = world.app.phone(world.user(olya)).await.unwrap().unwrap();
    assert_eq!(phone.masked(), "+380 67 ***-**-67");
    assert_eq!(world.count("PhoneShared").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_without_terms_cannot_change_a_number() {
    let world = World::new().await;
    let olya = world.person("uk").await;
    world.say(olya, "/change_phone").await;
    world.answered(olya, 1).await;
    world.settled().await;
    assert_eq!(world.event_types().await, ["Registered"]);
}
