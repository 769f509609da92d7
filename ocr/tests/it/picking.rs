//! Which values are picked out of lines as engines read them: invented receipts with the mistakes of thermal print.

use kvit_domain::recognition::{Confidence, Region};
use kvit_ocr::layout::{Line, Word};
use kvit_ocr::parser::{ReceiptText, parse, parse_all};
use proptest::prelude::*;

const SURE: u16 = 900;

/// Lines of words as typed, all read with this confidence.
fn lines(text: &str, confidence: u16) -> Vec<Line> {
    let number = |value: usize| u32::try_from(value).unwrap();
    text.lines()
        .enumerate()
        .map(|(row, line)| {
            let mut x = 10;
            let words = line.split_whitespace().map(|word| {
                let width = number(word.chars().count()) * 12;
                let region = Region {
                    x,
                    y: number(row) * 30,
                    width,
                    height: 20,
                };
                x += width + 12;
                Word {
                    text: word.to_owned(),
                    confidence: Confidence::from_thousandths(confidence),
                    region,
                }
            });
            Line {
                words: words.collect(),
            }
        })
        .filter(|line| !line.words.is_empty())
        .collect()
}

fn read(text: &str) -> ReceiptText {
    parse(&lines(text, 940), None)
}

fn read_twice(first: &str, second: &str) -> ReceiptText {
    parse_all(&[&lines(first, 940), &lines(second, 900)], None)
}

fn total(text: &ReceiptText) -> Option<(i64, u16)> {
    text.totals
        .chosen()
        .map(|f| (f.value, f.confidence.thousandths()))
}

fn goods(text: &ReceiptText) -> Vec<(&str, i64, i64)> {
    text.items
        .iter()
        .map(|i| (i.name.as_str(), i.quantity.thousandths(), i.sum_minor))
        .collect()
}

fn moment(text: &ReceiptText) -> String {
    text.purchased_at
        .as_ref()
        .map(|f| f.value.to_string())
        .unwrap_or_default()
}

/// A software register that prints its numbers with crossed zeros, as an engine reads them.
const CROSSED: &str = "\
oon ПРИКЛАДЕНКО ЗОЯ
Яптека \"ВИГАДКА\"
Пн 9990881234
КАСИР: ПРИКЛАД 3.
UTPHXKOD 2000000133102
3 x 26,38
Септефрил-Зразок табл. №18 78,98 Г
ФТРИХКОД 2000000303345
Пластир Вигаданий 5х7 54,92 Г
СУМА 133,82
КАРТКА 133,82 ГРН
ЧЕК № 58178139
25.82.2826 89:28:19
OH ПРРО 4881573478
ФІСКАЛЬНИЙ ЧЕК";

#[test]
fn a_receipt_with_crossed_zeros_is_read_and_its_doubtful_numbers_are_not_sure() {
    let text = read(CROSSED);
    assert_eq!(text.merchant.as_ref().unwrap().value, "ФОП ПРИКЛАДЕНКО ЗОЯ");
    let register = text.register_number.as_ref().unwrap();
    assert_eq!(register.value, "4001573478");
    assert!(register.confidence.thousandths() < SURE);
    assert_eq!(moment(&text), "2026-02-25 09:28:19");
    assert!(text.purchased_at.as_ref().unwrap().confidence.thousandths() < SURE);
    assert!(text.tax_id.as_ref().unwrap().confidence.thousandths() < SURE);
    assert_eq!(
        goods(&text),
        [
            ("Септефрил-Зразок табл. №18", 3_000, 7_890),
            ("Пластир Вигаданий 5х7", 1_000, 5_492)
        ]
    );
    assert!(text.adds_up);
    let (value, sure) = total(&text).unwrap();
    assert!(value == 13_382 && sure >= SURE, "{value} {sure}");
    assert_eq!(text.repaired, ["register_number", "purchased_at", "items"]);
}

#[test]
fn a_total_on_the_wrong_line_loses_against_goods_and_payment() {
    let text = read(
        "ТОВ «ЗРАЗОК»\nКаса: 8\n2 X 42.71\nКапсули Вигадані 20мг №10 85.42 Б\nсУМА 5.59\nпдв Б 7.00%\nГОТІВКА 100.00\nРЕШТА 14.58\n11.12.26 17:01:12",
    );
    assert_eq!(total(&text).unwrap().0, 8_542);
}

#[test]
fn a_total_that_one_line_alone_shows_is_not_sure() {
    let (value, sure) = total(&read("Каса 1\nСУМА 46.50")).unwrap();
    assert!(value == 4_650 && sure < SURE);
    let (value, sure) = total(&read("Каса 1\nСУМА 46.50\nКАРТКА 46.50")).unwrap();
    assert!(value == 4_650 && sure >= SURE);
}

#[test]
fn payment_and_total_that_differ_are_a_doubt() {
    let text = read("Каса 1\nСУМА 255.15\nГОТІВКА 300.00\nРЕШТА 44.25");
    assert!(total(&text).unwrap().1 < SURE);
}

#[test]
fn goods_alone_prove_no_total() {
    let text = read("Каса 1\nАнальгін Зразок №10\n2.000 x 42.75 = 85.50 Г\nКасир 2");
    assert_eq!(total(&text), None);
    assert!(!text.adds_up);
    let spoilt = read("Каса 1\nАнальгін Зразок №10\n2.000 x 42.75 = 85.50 Г\nСУМА 8 ?,\nКасир 2");
    assert!(!spoilt.adds_up && total(&spoilt).is_none_or(|(_, sure)| sure < SURE));
}

#[test]
fn the_word_for_total_may_have_lost_a_letter() {
    for line in [
        "УМА 85.50 ГРН",
        "(УМА 85.50",
        "СУМ 85.50",
        "CYUMA 85.50",
        "СУМА 85 50",
        "СУМА 8550",
    ] {
        let text = read(&format!(
            "Каса 1\nАнальгін Зразок №10\n2 x 42.75 = 85.50 Г\n{line}"
        ));
        assert_eq!(total(&text).map(|t| t.0), Some(8_550), "{line}");
        assert_eq!(text.items.len(), 1, "{line}");
    }
}

#[test]
fn readings_of_one_photo_help_each_other() {
    let first = "ТОВ «ЗРАЗОК»\nПН 999800170812\nБинт Вигаданий\n2 x 50.59 61.18 Б\nСУМА 61.18\nКАРТКА 61.18\n10.04.2026 10:57:56\nФН ПРРО 4009219397";
    let second = "ТОВ «ЗРАЗОК»\nПН 999000170012\nБинт Вигаданий\n2 x 30.59 61.18 Б\nСУМА 61.18\nКАРТКА 61.18\n10.04.2026 10:57:56\nФН ПРРО 4000219397";
    let text = read_twice(first, second);
    assert_eq!(text.register_number.unwrap().value, "4000219397");
    assert_eq!(text.tax_id.unwrap().value, "999000170012");
    assert_eq!(
        goods(&ReceiptText {
            items: text.items,
            ..ReceiptText::default()
        }),
        [("Бинт Вигаданий", 2_000, 6_118)]
    );
    assert!(text.adds_up);
}

#[test]
fn readings_that_disagree_are_not_sure() {
    let text = read_twice("13.03.2025 15:31:18", "18.05.2025 15:31:18");
    assert!(text.purchased_at.unwrap().confidence.thousandths() < SURE);
    let text = read_twice("Каса 1\nСУМА 46.50", "Каса 1\nСУМА 48.10");
    assert!(total(&text).unwrap().1 < 700);
}

#[test]
fn nothing_that_a_crossed_zero_may_hide_in_is_mended_when_there_are_two_ways() {
    // 88.78 and 88.70: eighty or eighty-eight.
    let text = read("Каса 1\nВітаміни Зразок\n1 x 88.78 88.70 Б\nКасир 1");
    assert!(!text.repaired.contains(&"items"), "{:?}", goods(&text));
}

#[test]
fn an_equals_sign_read_as_a_digit_is_no_part_of_the_sum() {
    let text = read(
        "ИП Примерова Е.А.\nКАССОВЫЙ ЧЕК\n1. Пластырь Образец №10\n1 x 58.59 258.59\n2. Вода Образцовая 0,5л\nТх 42.28 =42.28\nИТОГ =100.87\nСУММА НДС 10% =9.17",
    );
    assert_eq!(
        goods(&text),
        [
            ("Пластырь Образец №10", 1_000, 5_859),
            ("Вода Образцовая 0,5л", 1_000, 4_228)
        ]
    );
    assert!(text.adds_up);
}

#[test]
fn letters_behind_sums_are_no_digits_of_them() {
    let text = read(
        "Каса 1\n3 x 46.80\nСерветки Зразок 140.405 |\n5 X 20.16\nПорошок Вигаданий\nтабл. 200мг №10 100.80 5\n146,77х 2= 293,54-Б\nСУМА 241.20",
    );
    assert_eq!(
        goods(&text)[..2],
        [
            ("Серветки Зразок", 3_000, 14_040),
            ("Порошок Вигаданий табл. 200мг №10", 5_000, 10_080)
        ]
    );
}

#[test]
fn a_strength_in_per_cent_is_no_tax() {
    let text = read(
        "Каса 1\nШТРИХКОД 2000000303345\nНазол Зразок наз.\n0,05% 10мл 120,55 Б\nСУМА 120,55\nПДВ Б 7,00% 7,89",
    );
    assert_eq!(
        goods(&text),
        [("Назол Зразок наз. 0,05% 10мл", 1_000, 12_055)]
    );
    assert_eq!(text.vat.len(), 1);
}

#[test]
fn a_size_at_the_end_of_a_name_is_no_quantity() {
    let text =
        read("Каса 1\nШТРИХКОД 2000000303345\nПластир Зразок 1,9х 36.40 Е\n7,2 №10\nСУМА 36.40");
    assert_eq!(text.items.first().map(|i| i.sum_minor), Some(3_640));
    assert!(text.adds_up);
}

#[test]
fn english_receipts_are_read_by_their_words() {
    let text = read(
        "SAMPLE & SONS\nHARDWARE (NORTH) SDN BHD (123456-X)\n12, JALAN CONTOH 5\nTAX INVOICE\nDATE: 30-MAY-2018 03:15 PM\n1 HAMMER RM12.95 SR\nSUB TOTAL 12.95\nTOTAL EXCL GST 12.22\nTOTAL (INCLUSIVE OF GST) RM12.95\nROUNDING ADJ 0.00\nTOTAL QTY: 1\nCASH RM20.00\nCHANGE RM7.05\nGST SUMMARY AMOUNT TAX\nTOTAL 12.22 0.73",
    );
    assert_eq!(text.merchant.unwrap().value, "HARDWARE (NORTH) SDN BHD");
    assert_eq!(
        text.purchased_at.unwrap().value.to_string(),
        "2018-05-30 15:15:00"
    );
    let total = text.totals.chosen().unwrap();
    assert!(total.value == 1_295 && total.confidence.thousandths() >= SURE);
}

#[test]
fn a_company_name_over_two_lines_is_one() {
    let text = read("SAMPLE BOOK\nCO. (M) SDN BHD\n(CO. NO. 123456-W)\nTOTAL 5.00");
    assert_eq!(text.merchant.unwrap().value, "SAMPLE BOOK CO. (M) SDN BHD");
}

#[test]
fn what_is_paid_counts_where_the_total_is_rounded() {
    let text =
        read("GOODS 102.39\nTOTAL: 102.39\nROUNDING 0.01\nTOTAL 102.40\nCASH 110.00\nCHANGE 7.60");
    assert_eq!(total(&text).map(|t| t.0), Some(10_240));
}

#[test]
fn register_numbers_of_both_kinds_and_of_russian_drives_are_told_from_others() {
    for (line, number) in [
        ("ФН ПРРО 4000006115", Some("4000006115")),
        ("зн KC9653877267 | он 3008579838", Some("3008579838")),
        ("ФН 3003300166 ІД 14325745", Some("3003300166")),
        ("ФН 9282440872636602 ФД 96194", Some("9282440872636602")),
        ("РН ККТ: 6017727268768275", None),
        ("RRN 4000271006115", None),
        ("ЧЕК ФН 4000006115", None),
    ] {
        assert_eq!(
            read(line).register_number.map(|f| f.value).as_deref(),
            number,
            "{line}"
        );
    }
}

#[test]
fn a_tax_number_cut_by_the_papers_edge_gives_way_to_the_whole_one() {
    let text = read("ТОВ «ЗРАЗОК»\nФН 3003300166 ІД 99925745\nЗН ПБ2612609907 ІД 9992574547");
    assert_eq!(text.tax_id.unwrap().value, "9992574547");
}

#[test]
fn the_fiscal_number_of_a_receipt_stands_in_brackets() {
    let text = read("Чек: 306 (497468)\nКаса: 8");
    assert_eq!(text.receipt_number.unwrap().value, "497468");
}

proptest! {
    #[test]
    fn any_readings_are_picked_from_without_panic_or_absurd_values(
        first in "([A-Za-zА-яІЇЄ0-9@.,:=*%№ xх-]{0,30}\n){0,14}",
        second in "([A-Za-zА-яІЇЄ0-9@.,:=*%№ xх-]{0,30}\n){0,14}",
        known in proptest::option::of(0_i64..1_000_000),
    ) {
        let (first, second) = (lines(&first, 900), lines(&second, 700));
        let text = parse_all(&[&first, &second], known);
        for item in &text.items {
            prop_assert!(item.sum_minor > 0 && item.sum_minor <= 100_000_000, "{:?}", item);
            prop_assert!(item.discount_minor >= 0 && item.quantity.thousandths() > 0, "{:?}", item);
        }
        if let Some(total) = text.totals.chosen() {
            prop_assert!(total.value > 0 && total.value < 10_000_000_000, "{:?}", total);
        }
        if let Some(number) = &text.register_number {
            prop_assert!(matches!(number.value.len(), 10 | 16));
        }
        prop_assert_eq!(parse_all(&[&first, &second], known), text, "the same text reads the same");
    }
}

#[test]
fn a_total_whose_zero_is_misread_on_every_line_is_the_sum_of_the_goods() {
    let text = read(
        "ТОВ «ЗРАЗОК»\nПРРО ФН 4080301083 ВН 8\nАРТ.№ 85838 Тест Вигаданий №1\n1.000 х 35.43 = 35,43 А\nАРТ.№ 35188 Шавлія Зразок 50г\n1.008 x 49,47 = 49.47 А\nСУМА ДО СПЛАТИ: 84.98\nГОТІВКА. ГОТІВКА: 84.98",
    );
    assert_eq!(total(&text).map(|t| t.0), Some(8_490));
    assert!(text.adds_up);
}

#[test]
fn agreement_of_lines_that_may_share_a_misread_zero_is_not_sure() {
    let text = read("ТОВ «ЗРАЗОК»\nПРРО ФН 4080301083 ВН 8\nСУМА 84.98\nКАРТКА 84.98");
    let (value, sure) = total(&text).unwrap();
    assert!(value == 8_498 && sure < SURE && text.total_doubted);
    let other = read("ТОВ «ЗРАЗОК»\nПРРО ФН 4080301083 ВН 8\nСУМА 74.91\nКАРТКА 74.91");
    assert!(total(&other).unwrap().1 >= SURE && !other.total_doubted);
}

#[test]
fn a_doubtful_total_puts_no_line_right() {
    let text = parse(
        &lines(
            "Каса 1\nКапсули Вигадані\n2 x 57.95 = 115.90 А\nСУМА 415.90",
            500,
        ),
        None,
    );
    assert_eq!(text.items.first().map(|i| i.sum_minor), Some(11_590));
    assert!(!text.adds_up || text.totals.chosen().is_none_or(|t| t.value == 11_590));
}

#[test]
fn a_time_with_dashes_is_no_date_beside_one() {
    assert_eq!(moment(&read("95.05.2825 12-02-16")), "2025-05-05 12:02:16");
}

#[test]
fn the_word_for_total_alone_is_no_article() {
    let text = read("Каса 1\nСум\n5.59\nпдв Б\nКасир 1");
    assert!(text.items.is_empty(), "{:?}", goods(&text));
}

#[test]
fn numbered_goods_begin_at_their_numbers() {
    let text = read(
        "ИП Примерова Е.А.\nКАССОВЫЙ ЧЕК\n1. Вода Образцовая 0,5л\nbet 2702 27.01\n2. Пластырь Образец №10\n1х 66.60 266.60\nHOC 10%\n3, Йод Примерный 25мл\n2 х 46.98 «93.96\nИТОГ =187.57",
    );
    assert_eq!(
        goods(&text),
        [
            ("Вода Образцовая 0,5л", 1_000, 2_701),
            ("Пластырь Образец №10", 1_000, 6_660),
            ("Йод Примерный 25мл", 2_000, 9_396)
        ]
    );
    assert!(text.adds_up);
}
