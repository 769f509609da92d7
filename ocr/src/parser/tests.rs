//! The shapes of receipts as text, and the mistakes that readers are known to make on them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use kvit_domain::money::Currency;
use kvit_domain::recognition::{Anomaly, Confidence, FiscalQr, QrForm, Region};
use proptest::prelude::*;

use super::{ReceiptText, anomalies, parse};
use crate::confidence;
use crate::layout::{Line, Word};

const SHAPE_A: &str = "\
ТОВ «ВИГАДАНА АПТЕКА»
м. Зразків, вул. Прикладна, 7
ПН 999000170012
ПРРО ФН 4001863290 ВН 1
ЧЕК ФН mPL0f2xcwBv
АРТ.№ 13204 Каптопрес-Дарниця табл. №20
1.000 x 95.31 = 95.31 Г
Дисконт: 0.01
СУМА ДО СПЛАТИ 95.30
ПДВ Г 7.00% 6.23
БЕЗГОТІВКОВА. КАРТКА: 95.30
13-03-2025 15:31:18
ОНЛАЙН
ФІСКАЛЬНИЙ ЧЕК";

const SHAPE_B: &str = "\
ТОВ «ПІГУЛКА-ПРИКЛАД»
Аптечний пункт № 3, м. Прикладин
ПН 999000260034
ЗН ПК00010001 ФН 3001776091
Касир 2 Каса 1
Штрих-код 2000000133102 УКТ ЗЕД 3004 Цитрамон-Дарниця табл. №10
36.50*1 шт 36.50(Б)
Штрих-код 2000000303345 УКТ ЗЕД 3005
Пластир Вигаданий 5х7 см
10.00*1 шт 10.00(А)
СУМА 46.50
ПДВ А 20% 1.67
ПДВ Б 7% 2.39
БЕЗГОТІВКА.2 46.50
Картка XXXXXXXXXXXX0000
RRN 000000711825
ДО СПЛАТИ 46.50
ЧЕК № 326165501
01.12.25 16:12:53
ФІСКАЛЬНИЙ ЧЕК
Ліки поверненню не підлягають";

fn lines_of(text: &str, confidence: u16) -> Vec<Line> {
    let word = |y: usize, x: usize, text: &str| Word {
        text: text.to_owned(),
        confidence: Confidence::from_thousandths(confidence),
        region: Region {
            x: u32::try_from(x * 40).unwrap(),
            y: u32::try_from(y * 30).unwrap(),
            width: 38,
            height: 20,
        },
    };
    let line = |(y, text): (usize, &str)| Line {
        words: text
            .split_whitespace()
            .enumerate()
            .map(|(x, w)| word(y, x, w))
            .collect(),
    };
    text.lines().enumerate().map(line).collect()
}

fn read(text: &str) -> ReceiptText {
    parse(&lines_of(text, 930), None)
}

/// Name, quantity in thousandths, sum, discount.
fn goods(text: &ReceiptText) -> Vec<(&str, i64, i64, i64)> {
    text.items
        .iter()
        .map(|i| {
            (
                i.name.as_str(),
                i.quantity.thousandths(),
                i.sum_minor,
                i.discount_minor,
            )
        })
        .collect()
}

fn doubts(text: &ReceiptText) -> Vec<Anomaly> {
    anomalies::find(text, None)
}

fn qr(total_minor: i64) -> FiscalQr {
    FiscalQr {
        form: QrForm::Link,
        register_number: "4001863290".into(),
        receipt_number: "1".into(),
        purchased_at: chrono::NaiveDate::from_ymd_opt(2025, 3, 13)
            .unwrap()
            .and_hms_opt(15, 31, 0)
            .unwrap(),
        total_minor,
        currency: Currency::Uah,
        is_return: false,
    }
}

#[test]
fn shape_a_is_read_whole() {
    let text = read(SHAPE_A);
    assert_eq!(
        goods(&text),
        [("Каптопрес-Дарниця табл. №20", 1_000, 9_531, 1)]
    );
    let item = text.items.first().unwrap();
    assert_eq!(
        (item.code.as_deref(), item.tax, item.unit_price_minor),
        (Some("13204"), Some('Г'), Some(9_531))
    );
    assert_eq!(
        text.merchant.as_ref().unwrap().value,
        "ТОВ «ВИГАДАНА АПТЕКА»"
    );
    assert_eq!(text.tax_id.as_ref().unwrap().value, "999000170012");
    assert_eq!(text.register_number.as_ref().unwrap().value, "4001863290");
    assert_eq!(text.receipt_number.as_ref().unwrap().value, "mPL0f2xcwBv");
    assert_eq!(
        text.purchased_at.as_ref().unwrap().value.to_string(),
        "2025-03-13 15:31:18"
    );
    assert_eq!(text.totals.chosen().unwrap().value, 9_530);
    assert!(text.adds_up && !text.is_return);
    assert_eq!(
        (doubts(&text), text.currency),
        (vec![], Some(Currency::Uah))
    );
    assert!(confidence::overall(&text, None, &[]).thousandths() >= 800);
}

#[test]
fn shape_b_is_read_whole() {
    let text = read(SHAPE_B);
    assert_eq!(
        goods(&text),
        [
            ("Цитрамон-Дарниця табл. №10", 1_000, 3_650, 0),
            ("Пластир Вигаданий 5х7 см", 1_000, 1_000, 0)
        ]
    );
    assert_eq!(
        text.items
            .iter()
            .map(|i| i.barcode.as_deref().unwrap())
            .collect::<Vec<_>>(),
        ["2000000133102", "2000000303345"]
    );
    assert_eq!(
        text.items
            .iter()
            .map(|i| i.tax.unwrap())
            .collect::<Vec<_>>(),
        ['Б', 'А']
    );
    assert_eq!(text.register_number.as_ref().unwrap().value, "3001776091");
    assert_eq!(text.receipt_number.as_ref().unwrap().value, "326165501");
    assert_eq!(text.vat.len(), 2);
    assert!(
        text.adds_up && !text.is_return,
        "medicines that are not taken back are no return"
    );
    assert_eq!(doubts(&text), []);
}

#[test]
fn a_barcode_is_not_a_price_of_four_billion() {
    for text in [
        SHAPE_B.to_owned(),
        SHAPE_B.replace("Штрих-код ", "Штрих-код 4823006401024.00 "),
        SHAPE_B.replace("Штрих-код", "Шmpиx"),
    ] {
        assert!(
            read(&text).items.iter().all(|i| i.sum_minor <= 4_650),
            "{:?}",
            goods(&read(&text))
        );
    }
}

#[test]
fn a_customs_code_is_not_a_price() {
    let text = read(&SHAPE_B.replace("УКТ ЗЕД 3004 ", "\nУКТЗЕД 3004\n"));
    assert!(text.items.iter().all(|i| i.sum_minor != 300_400));
    assert!(text.adds_up);
}

#[test]
fn a_pack_size_is_neither_a_price_nor_thousands() {
    let text = read("ЧЕК № 5\nЦитрамон табл. №10 179.90\nСУМА 179.90");
    assert_eq!(goods(&text), [("Цитрамон табл. №10", 1_000, 17_990, 0)]);
}

#[test]
fn a_time_is_not_a_price() {
    let text = read(
        &SHAPE_B
            .replace("01.12.25 16:12:53\n", "")
            .replace("СУМА 46.50", "01.12.25 16:12:53\nСУМА 46.50"),
    );
    assert!(text.items.iter().all(|i| i.sum_minor != 5_300));
    assert_eq!(text.items.len(), 2);
}

#[test]
fn a_date_with_a_two_digit_year_is_seen() {
    assert_eq!(
        read(SHAPE_B).purchased_at.unwrap().value.to_string(),
        "2025-12-01 16:12:53"
    );
}

#[test]
fn the_word_for_total_is_not_an_item() {
    for total in ["СУМА 46.50", "CYMA 46.50", "СУММА 46.50", "Сума: 46,50"] {
        let text = read(&SHAPE_B.replace("СУМА 46.50", total));
        assert_eq!(
            (text.items.len(), text.totals.chosen().unwrap().value),
            (2, 4_650),
            "{total}"
        );
    }
}

#[test]
fn a_discount_of_a_kopiyka_read_as_eight_is_settled_by_arithmetic() {
    let text = read(&SHAPE_A.replace("Дисконт: 0.01", "Дисконт: 8.01"));
    assert_eq!(
        goods(&text),
        [("Каптопрес-Дарниця табл. №20", 1_000, 9_531, 1)]
    );
    assert_eq!(doubts(&text), []);
}

#[test]
fn a_fractional_quantity_is_not_cut_to_an_integer() {
    let text = read(
        "Каса 1\nЧай Зразковий ваг.\n0.345 x 100.00 = 34.50 А\nЦукерки Вигадані\n1.500 х 20.10 30.15 А\nСУМА 64.65",
    );
    assert_eq!(
        goods(&text),
        [
            ("Чай Зразковий ваг.", 345, 3_450, 0),
            ("Цукерки Вигадані", 1_500, 3_015, 0)
        ]
    );
    assert!(text.adds_up);
}

#[test]
fn a_misread_digit_is_mended_only_when_arithmetic_leaves_one_way() {
    let mended = read(&SHAPE_A.replace("= 95.31", "= 96.31"));
    assert_eq!(mended.items.first().unwrap().sum_minor, 9_531);
    let kept = read(
        &SHAPE_A
            .replace("= 95.31", "= 12.31")
            .replace("x 95.31", "x 77.77"),
    );
    assert_eq!(kept.items.first().unwrap().sum_minor, 1_231);
    assert!(matches!(
        doubts(&kept).as_slice(),
        [Anomaly::TotalMismatch {
            lines_minor: 1_230,
            total_minor: 9_530
        }]
    ));
}

#[test]
fn cash_rounding_between_the_two_totals_is_no_doubt_and_what_is_paid_counts() {
    let text = read(&SHAPE_B.replace("ДО СПЛАТИ 46.50", "ДО СПЛАТИ 46.60"));
    assert_eq!(text.totals.sum.as_ref().unwrap().value, 4_650);
    assert_eq!(text.totals.chosen().unwrap().value, 4_660);
    assert_eq!(doubts(&text), []);
    let text = read(&SHAPE_B.replace("ДО СПЛАТИ 46.50", "ДО СПЛАТИ 77.10"));
    assert!(doubts(&text).contains(&Anomaly::Other {
        code: anomalies::TOTALS_DISAGREE.into()
    }));
}

#[test]
fn other_registers_print_the_sum_behind_the_name() {
    let text = read(
        "ФОП Прикладенко З. З.\nМ. ЗРАЗКІВ, ВУЛ. УЯВНА, 1\nІД 9990001700\nКАСИР: ПРИКЛАД В.\nШТРИХКОД 2000000133102\n3 x 26,30\n\
         Септефрил-Зразок табл. 0,2мг 78,90 Г\n№10\nШТРИХКОД 2000000303345\nПластир Вигаданий №1 54,92 Г\nIДЕНТ. ЕКВАЙРА 1185239\nRRN 540834099326\n\
         СУМА 133,82 ГРН\nКАРТКА 133,82 ГРН\nЧЕК № 581701391\n24.10.2026 15:39:01\nФН ПРРО 4000006115",
    );
    assert_eq!(
        goods(&text),
        [
            ("Септефрил-Зразок табл. 0,2мг №10", 3_000, 7_890, 0),
            ("Пластир Вигаданий №1", 1_000, 5_492, 0)
        ]
    );
    assert!(text.adds_up);
    assert_eq!(text.register_number.unwrap().value, "4000006115");
}

#[test]
fn russian_layouts_number_their_goods() {
    let text = read(
        "ИП Примерова Е.А.\nКАССОВЫЙ ЧЕК\nПРИХОД Чек № 225\nКассир: Петрова Н.\n1. Цитрамон П табл. №20\n1 x 60.35 =60.35\n\
         2. Пластырь бакт. №10\n2 x 58.59 =117.18\nНДС 10%\nИТОГ =177.53\nНАЛИЧНЫМИ =177.53\nСУММА НДС 10% =16.14\n16.11.2023 21:47 СНО: УСН\n\
         ИНН 984138369423\nФН 9282440872636602 ФД 96194\nФП 1362248750",
    );
    assert_eq!(
        goods(&text),
        [
            ("Цитрамон П табл. №20", 1_000, 6_035, 0),
            ("Пластырь бакт. №10", 2_000, 11_718, 0)
        ]
    );
    assert_eq!(
        (text.receipt_number.unwrap().value.as_str(), text.currency),
        ("96194", Some(Currency::Rub))
    );
    assert_eq!(text.register_number.unwrap().value, "9282440872636602");
    assert!(text.adds_up);
}

#[test]
fn a_star_read_as_a_digit_is_found_by_the_product() {
    for line in [
        "42. 7542 шт 85.50(Б)",
        "42.7542 шт 85.50(Б)",
        "42.752 шт 85.50(Б)",
    ] {
        let text = read(&format!(
            "Каса 1\nШтрих-код 2000000133102\nАнальгін Зразок №10\n{line}\nСУМА 85.50"
        ));
        assert_eq!(
            goods(&text),
            [("Анальгін Зразок №10", 2_000, 8_550, 0)],
            "{line}"
        );
    }
}

#[test]
fn a_quantity_that_lost_its_separator_is_found_by_the_product() {
    let text = read("Каса 1\nАнальгін Зразок №10\n2000 x 42.75 = 85.50 Г\nСУМА 85.50");
    assert_eq!(goods(&text), [("Анальгін Зразок №10", 2_000, 8_550, 0)]);
    let many = read("Каса 1\nПакет Зразок\n1500 x 0.10 = 150.00 Г\nСУМА 150.00");
    assert_eq!(goods(&many), [("Пакет Зразок", 1_500_000, 15_000, 0)]);
}

#[test]
fn a_spoilt_quantity_follows_from_price_and_sum() {
    for line in ["1 000. х 42.75 = 85.50 Г", "Т000 x 42.75 = 85. 50 №"] {
        let text = read(&format!("Каса 1\nАнальгін Зразок №10\n{line}\nСУМА 85.50"));
        assert_eq!(
            goods(&text),
            [("Анальгін Зразок №10", 2_000, 8_550, 0)],
            "{line}"
        );
    }
}

#[test]
fn what_is_left_of_a_quantity_line_is_not_part_of_the_name() {
    let text = read(
        "Каса 1\nШтрих-код 2000000133102\nАнальгін Зразок №10\n957 ЗТ Шт 95.31(Б)\nСУМА 95.31",
    );
    assert_eq!(goods(&text), [("Анальгін Зразок №10", 1_000, 9_531, 0)]);
}

#[test]
fn a_return_is_recognised_by_its_words() {
    assert!(read(&SHAPE_B.replace("ФІСКАЛЬНИЙ ЧЕК", "ЧЕК ПОВЕРНЕННЯ")).is_return);
    assert!(read(&SHAPE_A.replace("ФІСКАЛЬНИЙ ЧЕК", "ВИДАТКОВИЙ ЧЕК")).is_return);
}

#[test]
fn a_code_that_says_something_else_is_a_named_doubt() {
    let text = parse(&lines_of(SHAPE_A, 950), Some(9_530));
    assert_eq!(anomalies::find(&text, Some(&qr(9_530))), []);
    let field = |qr: &FiscalQr| {
        let text = parse(&lines_of(SHAPE_A, 950), Some(qr.total_minor));
        let fields = anomalies::find(&text, Some(qr)).into_iter();
        fields
            .filter_map(|a| {
                if let Anomaly::QrMismatch { field } = a {
                    Some(field)
                } else {
                    None
                }
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(field(&qr(20_000)), ["total"]);
    assert_eq!(
        field(&FiscalQr {
            register_number: "3000111222".into(),
            ..qr(9_530)
        }),
        ["register_number"]
    );
    let tomorrow = qr(9_530).purchased_at + chrono::Days::new(1);
    assert_eq!(
        field(&FiscalQr {
            purchased_at: tomorrow,
            ..qr(9_530)
        }),
        ["date"]
    );
}

#[test]
fn a_vat_sum_that_does_not_follow_is_named() {
    let text = read(&SHAPE_A.replace("7.00% 6.23", "7.00% 12.44"));
    assert_eq!(doubts(&text), [Anomaly::VatMismatch { tax: "Г".into() }]);
    let text = read(&SHAPE_B.replace("(Б)", "(А)"));
    assert_eq!(
        doubts(&text),
        [],
        "a misread letter is no doubt while the VAT lines account for the total"
    );
}

#[test]
fn empty_and_meaningless_texts_give_nothing_and_little_confidence() {
    for text in [
        "",
        "\n\n",
        "= = =\n. , ;",
        "ее i Ne. wm\n№. 9 по\nes ON",
        "12 34 56 78.90",
    ] {
        let read = read(text);
        assert!(
            read.items.is_empty() && read.totals.chosen().is_none(),
            "{text}"
        );
        assert!(
            confidence::overall(&read, None, &[]).thousandths() < 400,
            "{text}"
        );
    }
}

#[test]
fn a_code_alone_asks_for_a_person() {
    let text = ReceiptText::default();
    assert_eq!(
        confidence::overall(&text, Some(&qr(9_530)), &[]).thousandths(),
        550
    );
}

proptest! {
    #[test]
    fn no_text_panics_or_gives_an_absurd_price(text in "(\\PC{0,40}\n){0,12}", known in proptest::option::of(any::<i64>())) {
        check(&text, known)?;
    }

    #[test]
    fn no_shuffled_receipt_panics_or_gives_an_absurd_price(
        parts in proptest::collection::vec(prop_oneof![
            Just("СУМА "), Just("ДО СПЛАТИ "), Just("ПДВ Г 7% "), Just("Штрих-код "), Just("УКТ ЗЕД 3004 "), Just("АРТ.№ 13 "),
            Just("Дисконт: "), Just("Назва №10 "), Just("1.000 x "), Just("36.50*1 шт "), Just("= "), Just("\n"), Just("\n"),
            Just("99999999.99 "), Just("0.00 "), Just("-5.00 "), Just("9.9"), Just("4823006401024 "), Just("(Б) "), Just("ФН "),
            Just("4001863290 "), Just("16:12:53 "), Just("31.12.2099 "), Just("999999.99"), Just(". "), Just("x x * "),
        ], 0..60),
        known in proptest::option::of(any::<i64>()),
    ) {
        check(&parts.concat(), known)?;
    }
}

fn check(text: &str, known: Option<i64>) -> Result<(), TestCaseError> {
    let read = parse(&lines_of(text, 800), known);
    for item in &read.items {
        prop_assert!(
            item.sum_minor > 0 && item.sum_minor <= super::items::SUM_MINOR_MAX,
            "{:?}",
            item
        );
        prop_assert!(
            item.discount_minor >= 0 && item.quantity.thousandths() > 0,
            "{:?}",
            item
        );
    }
    let doubts = anomalies::find(&read, None);
    let _ = anomalies::find(&read, Some(&qr(known.unwrap_or(1))));
    prop_assert!(confidence::overall(&read, None, &doubts).thousandths() <= 1_000);
    Ok(())
}
