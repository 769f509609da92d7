//! What is printed, line by line: the two receipt shapes and the leaflet.

use super::qr::{decimal, number_as_digits};
use super::{Layout, SampleItem, SampleSpec, Vat};

/// An invented seller.
pub(super) struct Shop {
    pub legal_name: &'static str,
    pub outlet: &'static str,
    pub address: &'static str,
    /// 12 digits; no such payer exists.
    pub tax_id: &'static str,
}

/// The sellers. One lies in «Дарницький р-н» on purpose: a district is not a brand.
pub(super) const SHOPS: &[Shop] = &[
    Shop {
        legal_name: "ТОВ «ВИГАДАНА АПТЕКА»",
        outlet: "Аптека № 12",
        address: "м. Зразків, вул. Прикладна, 7",
        tax_id: "999000170012",
    },
    Shop {
        legal_name: "ТОВ «ПІГУЛКА-ПРИКЛАД»",
        outlet: "Аптечний пункт № 3",
        address: "м. Прикладин, просп. Вигаданий, 41",
        tax_id: "999000260034",
    },
    Shop {
        legal_name: "ПП «НЕІСНУЮЧА АПТЕКА»",
        outlet: "Аптека № 105",
        address: "м. Київ, Дарницький р-н, вул. Уявна, 18",
        tax_id: "999000350056",
    },
    Shop {
        legal_name: "ТОВ «ЗРАЗКОВЕ ЗДОРОВ'Я»",
        outlet: "Аптека № 1",
        address: "м. Умовне, пл. Пробна, 2",
        tax_id: "999000440078",
    },
];

pub(super) fn shop(spec: &SampleSpec) -> &'static Shop {
    &SHOPS[spec.shop % SHOPS.len()]
}

/// One thing on the paper, from top to bottom.
pub(super) enum Line {
    Text { text: String, bold: bool },
    Qr(String),
    Gap,
}

/// Characters in a printed line.
pub(super) const COLUMNS: usize = 40;

/// Everything that is printed for this specification.
pub(super) fn lines(spec: &SampleSpec, qr: Option<&str>) -> Vec<Line> {
    let mut page = Page(Vec::new());
    match spec.layout {
        Layout::SoftwareRegister => software(&mut page, spec, qr),
        Layout::PaperRegister => paper(&mut page, spec, qr),
        Layout::WifiLeaflet => leaflet(&mut page, qr),
        Layout::Blank => (0..24).for_each(|_| page.gap()),
    }
    page.0
}

/// The printed text alone.
pub(super) fn text(lines: &[Line]) -> String {
    let texts: Vec<&str> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Text { text, .. } => Some(text.trim()),
            Line::Qr(_) | Line::Gap => None,
        })
        .collect();
    texts.join("\n")
}

struct Page(Vec<Line>);

impl Page {
    fn put(&mut self, text: String, bold: bool) {
        self.0.push(Line::Text { text, bold });
    }
    fn left(&mut self, text: &str) {
        for part in wrap(text) {
            self.put(part, false);
        }
    }
    fn centre(&mut self, text: &str, bold: bool) {
        for part in wrap(text) {
            let indent = (COLUMNS - part.chars().count()) / 2;
            self.put(format!("{}{part}", " ".repeat(indent)), bold);
        }
    }
    fn right(&mut self, text: &str) {
        self.pair("", text, false);
    }
    fn pair(&mut self, left: &str, right: &str, bold: bool) {
        let used = left.chars().count() + right.chars().count();
        let gap = COLUMNS.saturating_sub(used).max(1);
        self.put(format!("{left}{}{right}", " ".repeat(gap)), bold);
    }
    fn rule(&mut self) {
        self.put("-".repeat(COLUMNS), false);
    }
    fn gap(&mut self) {
        self.0.push(Line::Gap);
    }
    fn qr(&mut self, qr: Option<&str>) {
        if let Some(text) = qr {
            self.0.push(Line::Qr(text.to_owned()));
        }
    }
}

/// Breaks at spaces so that no part is wider than the paper.
fn wrap(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut current = String::new();
    for word in text.split(' ') {
        let width = current.chars().count() + 1 + word.chars().count();
        if !current.is_empty() && width > COLUMNS {
            parts.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    parts.push(current);
    parts
}

fn software(page: &mut Page, spec: &SampleSpec, qr: Option<&str>) {
    let shop = shop(spec);
    page.centre(shop.legal_name, true);
    page.centre(shop.outlet, false);
    page.centre(shop.address, false);
    page.centre(&format!("ПН {}", shop.tax_id), false);
    page.centre(&format!("ПРРО ФН {} ВН 1", spec.register), false);
    page.centre(&format!("ЧЕК ФН {}", spec.number), false);
    if spec.return_receipt {
        page.centre("ВИДАТКОВИЙ ЧЕК", true);
        page.centre("ПОВЕРНЕННЯ", true);
    }
    page.rule();
    for item in &spec.items {
        page.left(&format!("АРТ.№ {} {}", item.code, item.name));
        let (sum, price) = (decimal(item.gross_minor()), decimal(item.unit_price_minor));
        let quantity = thousandths(item.quantity_thousandths);
        page.right(&format!(
            "{quantity} x {price} = {sum} {}",
            software_letter(item.vat)
        ));
        if item.discount_minor > 0 {
            page.right(&format!("Дисконт: {}", decimal(item.discount_minor)));
        }
    }
    page.rule();
    let total = decimal(spec.total_minor());
    let caption = if spec.return_receipt {
        "СУМА ДО ПОВЕРНЕННЯ"
    } else {
        "СУМА ДО СПЛАТИ"
    };
    page.pair(caption, &total, true);
    for (vat, tax) in vat_lines(&spec.items) {
        page.pair(
            &format!("ПДВ {} {}.00%", software_letter(vat), vat.percent()),
            &decimal(tax),
            false,
        );
    }
    page.pair("БЕЗГОТІВКОВА (КАРТКА)", &total, false);
    page.rule();
    page.centre(&spec.sold_at.format("%d-%m-%Y %H:%M:%S").to_string(), false);
    page.gap();
    page.qr(qr);
    page.centre("ОНЛАЙН", false);
    page.centre("ФІСКАЛЬНИЙ ЧЕК", true);
}

fn paper(page: &mut Page, spec: &SampleSpec, qr: Option<&str>) {
    let shop = shop(spec);
    page.centre(shop.legal_name, true);
    page.centre(shop.outlet, false);
    page.centre(shop.address, false);
    page.centre(&format!("ПН {}", shop.tax_id), false);
    page.left(&format!(
        "ЗН ПК{:08} ФН {}",
        10_000 + spec.shop,
        spec.register
    ));
    page.left("Касир 2   Каса 1");
    if spec.return_receipt {
        page.centre("ВИДАТКОВИЙ ЧЕК", true);
        page.centre("ПОВЕРНЕННЯ", true);
    }
    page.rule();
    for item in &spec.items {
        page.left(&format!(
            "Штрих-код {} УКТ ЗЕД {} {}",
            item.barcode,
            customs_code(item.vat),
            item.name
        ));
        page.pair(
            &format!(
                "{}*{} шт",
                decimal(item.unit_price_minor),
                short_quantity(item.quantity_thousandths)
            ),
            &format!(
                "{}({})",
                decimal(item.gross_minor()),
                paper_letter(item.vat)
            ),
            false,
        );
        if item.discount_minor > 0 {
            page.pair(
                "Знижка",
                &format!("-{}", decimal(item.discount_minor)),
                false,
            );
        }
    }
    page.rule();
    let total = decimal(spec.total_minor());
    page.pair("СУМА", &total, true);
    for (vat, tax) in vat_lines(&spec.items) {
        page.pair(
            &format!("ПДВ {} {}%", paper_letter(vat), vat.percent()),
            &decimal(tax),
            false,
        );
    }
    page.pair("БЕЗГОТІВКА.2", &total, false);
    page.left("Картка XXXXXXXXXXXX0000");
    page.left(&format!("RRN {:012}", number_as_digits(&spec.number)));
    page.pair(
        if spec.return_receipt {
            "ДО ПОВЕРНЕННЯ"
        } else {
            "ДО СПЛАТИ"
        },
        &total,
        true,
    );
    page.rule();
    page.pair(
        &format!("ЧЕК № {}", spec.number),
        &spec.sold_at.format("%d.%m.%y %H:%M:%S").to_string(),
        false,
    );
    page.gap();
    page.qr(qr);
    page.centre("ФІСКАЛЬНИЙ ЧЕК", true);
    page.centre("ПРИКЛАД-РРО", false);
}

fn leaflet(page: &mut Page, qr: Option<&str>) {
    page.gap();
    page.centre("БЕЗКОШТОВНИЙ WI-FI", true);
    page.centre("для гостей нашої аптеки", false);
    page.gap();
    page.centre("Наведіть камеру телефона на код", false);
    page.centre("і під'єднуйтесь без пароля", false);
    page.gap();
    page.qr(qr);
    page.centre("Гарного дня!", true);
    page.gap();
}

/// VAT inside the prices, one entry for each group that was sold.
fn vat_lines(items: &[SampleItem]) -> Vec<(Vat, i64)> {
    [Vat::General, Vat::Medicine]
        .into_iter()
        .filter_map(|vat| {
            let sum: i64 = items
                .iter()
                .filter(|i| i.vat == vat)
                .map(SampleItem::net_minor)
                .sum();
            let base = 100 + vat.percent();
            (sum > 0).then_some((vat, (sum * vat.percent() + base / 2) / base))
        })
        .collect()
}

fn software_letter(vat: Vat) -> &'static str {
    match vat {
        Vat::Medicine => "Г",
        Vat::General => "А",
    }
}

fn paper_letter(vat: Vat) -> &'static str {
    match vat {
        Vat::Medicine => "Б",
        Vat::General => "А",
    }
}

fn customs_code(vat: Vat) -> &'static str {
    match vat {
        Vat::Medicine => "3004",
        Vat::General => "3005",
    }
}

/// `1500` as `1.500`.
fn thousandths(quantity: i64) -> String {
    format!("{}.{:03}", quantity / 1000, quantity % 1000)
}

/// `1000` as `1`, `1500` as `1.500`.
fn short_quantity(quantity: i64) -> String {
    if quantity % 1000 == 0 {
        (quantity / 1000).to_string()
    } else {
        thousandths(quantity)
    }
}
