### Тексти бота українською. Підстановки екрануються в коді, теги — лише тут.

## Знайомство

hello =
    👋 <b>Вітаю!</b> Я повертаю гроші за покупки: ви надсилаєте фото чека, я перевіряю його і поповнюю ваш мобільний.

    Щоб почати, прочитайте й прийміть <a href="{ $url }">умови та політику приватності</a>. До цього я не зберігаю про вас нічого, крім номера вашого акаунта.
terms-accept-button = Приймаю умови
terms-read-button = Прочитати умови
terms-accepted = ✅ <b>Умови прийнято.</b> Дякую! Версія { $version }.
terms-first =
    Спершу потрібна ваша згода з <a href="{ $url }">умовами</a>. Натисніть кнопку нижче, і можна надсилати чеки.
contact-ask =
    📱 <b>Куди надсилати бонуси?</b>
    Натисніть кнопку внизу, щоб поділитися своїм номером. Приймаю лише ваш власний номер — інші люди через вас не постраждають.
contact-ask-change =
    📱 <b>Зараз бонуси йдуть на { $phone }.</b>
    Щоб змінити номер, натисніть кнопку внизу. Якщо передумали — /cancel.
contact-button = 📱 Поділитися моїм номером
contact-saved =
    ✅ <b>Номер { $phone } збережено.</b>
    Тепер надішліть фото чека — або файлом, так читається краще.
contact-foreign =
    Це контакт іншої людини, тому я його не взяв. Натисніть кнопку внизу, щоб поділитися <b>своїм</b> номером.
contact-invalid =
    Я поповнюю лише українські номери, як-от 067 123 45 67. Поділіться контактом з акаунта з таким номером — ваші чеки й бонуси нікуди не зникнуть.
contact-unsupported =
    Номери цього оператора я поки не вмію поповнювати: працюю з Київстаром, Vodafone і lifecell. Поділіться іншим номером через /change_phone — ваші чеки й бонуси нікуди не зникнуть.
contact-typed = Номер треба саме надіслати кнопкою внизу: так я знаю, що він ваш. Якщо передумали — /cancel.
ready =
    👋 <b>Радий бачити вас знову!</b>
    Надішліть фото чека — і я скажу, чи буде бонус.

## Довідка

help =
    <b>Як це працює</b>
    1. Сфотографуйте чек цілком, щоб було видно QR-код.
    2. Надішліть фото сюди. Файлом («без стиснення») читається краще.
    3. Я перевірю чек і поповню ваш номер. Усе видно в одному повідомленні.

    Приймаю JPEG, PNG і WebP до 10 МБ, не більше 5 фото за хвилину.

    /balance — баланс і підсумки
    /history — ваші чеки
    /change_phone — змінити номер
    /language — мова
    /notifications — нагадування
    /forget — видалити мої дані
    /cancel — скасувати поточну дію
help-admin =
    <b>Для адміністратора</b>
    /report [ДД.ММ.РРРР] — звіт за день
    /stats — стан зараз
    /find &lt;номер чека&gt; — знайти чек

## Чек

receipt-reading-title = 🧾 Чек отримано
receipt-reading-body = Читаю його, зазвичай це кілька секунд.
receipt-hint-small = 💡 Фото невелике. Якщо не вдасться прочитати, зробіть його ближче або надішліть файлом.
receipt-read-title = 🔎 Чек прочитано
receipt-read-body = Перевіряю умови акції.
receipt-accepted-title = ✅ Чек прийнято
receipt-accepted-body = Бонус { $reward } уже в дорозі на ваш баланс.
receipt-credited-title = ✅ Бонус { $reward } зараховано
receipt-credited-body = Готую поповнення номера { $phone }.
receipt-sending-title = 📲 Бонус { $reward } надсилається
receipt-sending-body = Поповнюю номер { $phone }.
receipt-waiting-title = ⏳ Бонус { $reward } чекає своєї черги
receipt-retry-title = ⏳ Бонус { $reward } трохи затримується
receipt-retry-body = Оператор зараз не приймає поповнень. Гроші відкладено для вас, я спробую ще раз сам.
receipt-paid-title = 🎉 Бонус { $reward } виплачено
receipt-paid-body = Номер { $phone } поповнено. Дякую за чек!
receipt-unknown-title = ⏳ Уточнюємо в оператора
receipt-unknown-body = Бонус { $reward } надіслано на { $phone }, але підтвердження ще немає. Перевіряємо; двічі нічого не спишеться, гроші не загубляться.
receipt-payout-review-title = 👀 Виплату перевіряє людина
receipt-payout-review-body = Бонус { $reward } відкладено для вас. Нічого робити не треба, я напишу, щойно все з’ясується.
receipt-payout-failed-title = ⚠️ Номер { $phone } не вдалося поповнити
receipt-payout-failed-body = Бонус { $reward } лишився на вашому балансі. Перевірте номер або вкажіть інший.
receipt-reversed-title = ⚠️ Оператор повернув поповнення
receipt-reversed-body = Бонус { $reward } не дійшов до { $phone }. Ми розбираємося й напишемо вам.
receipt-rejected-title = ❌ За цей чек бонусу немає
receipt-rejected-body =
    { $count ->
        [one] Ось причина:
        [few] Ось { $count } причини:
        [many] Ось { $count } причин:
       *[other] Ось причини:
    }
receipt-review-title = 👀 Чек дивиться людина
receipt-review-body = Відповімо протягом доби. Що викликало сумнів:
receipt-appealed-title = 👀 Ваше прохання прийнято
receipt-appealed-body = Чек перегляне людина, відповідь буде протягом доби.
receipt-number = Чек № { $number }

## Рух грошей

waiting-tomorrow = Сьогоднішній ліміт виплат вичерпано. Гроші в безпеці на вашому балансі, завтра я надішлю їх сам.
waiting-provider = Виплати тимчасово призупинено. Гроші в безпеці на вашому балансі, я надішлю їх сам, щойно все запрацює.
waiting-person = Сума більша за денний ліміт виплат, тож рішення за людиною. Гроші в безпеці на вашому балансі, робити нічого не треба.

payout-to-mobile = на ваш мобільний
payout-to-sbp = на ваш банківський рахунок
payout-to-wallet = на ваш гаманець ЮMoney
payout-to-card = на вашу картку
payout-sending-title = 📤 Виплата { $amount } надсилається
payout-sending-body = Гроші йдуть { $to }.
payout-waiting-title = ⏳ Виплата { $amount } чекає своєї черги
payout-retry-title = ⏳ Виплата { $amount } трохи затримується
payout-retry-body = Надіслати поки не вдалося. Гроші відкладено для вас, я спробую ще раз сам.
payout-unknown-title = ⏳ Перевіряємо виплату { $amount }
payout-unknown-body = Гроші надіслано { $to }, але підтвердження ще немає. Двічі нічого не спишеться, гроші не загубляться.
payout-review-title = 👀 Виплату { $amount } перевіряє людина
payout-review-body = Гроші відкладено для вас. Нічого робити не треба, я напишу, щойно все з’ясується.
payout-paid-title = ✅ Виплату { $amount } зараховано
payout-paid-body = Гроші надійшли { $to }.
payout-failed-title = ⚠️ Виплата { $amount } не вдалася
payout-failed-body = Надіслати гроші { $to } не вийшло. Вони знову на вашому балансі.
payout-reversed-title = ⚠️ Виплату { $amount } повернуто
payout-reversed-body = Гроші не дійшли { $to } й повернулися. Вони знову на вашому балансі.
payout-number = Виплата № { $number }

payment-waiting-title = 💳 Поповнення на { $amount } чекає оплати
payment-waiting-body = Щойно гроші надійдуть, я зарахую їх на ваш баланс.
payment-waiting-button = Натисніть кнопку нижче, щоб сплатити. Щойно гроші надійдуть, я зарахую їх на ваш баланс.
payment-waiting-link =
    Сплатити можна тут: { $url }
    Щойно гроші надійдуть, я зарахую їх на ваш баланс.
payment-held-title = ⏳ Оплату { $amount } отримано
payment-held-body = Банк відклав гроші й чекає підтвердження. Щойно воно буде, я зарахую їх на ваш баланс.
payment-paid-title = ✅ Баланс поповнено на { $amount }
payment-paid-body = Гроші вже на вашому балансі. Дякую!
payment-ended-title = ❌ Поповнення на { $amount } не відбулося
payment-ended-body = Оплату скасовано, або час на неї вийшов. Можна почати нове поповнення.
payment-checking-title = 👀 Поповнення на { $amount } перевіряє людина
payment-checking-body = Оплата не збіглася з тим, що ми чекали. Нічого робити не треба, я напишу, щойно все з’ясується.
payment-checked-title = ✅ Поповнення на { $amount } перевірено
payment-checked-body = Скільки грошей на балансі зараз, покаже /balance.
payment-refused-title = ❌ Поповнення на { $amount } не зараховано
payment-refused-body = Людина перевірила оплату: вона не збіглася з тим, що ми чекали. Якщо гроші ваші, напишіть у підтримку.
payment-number = Поповнення № { $number }

refund-of = Ви сплатили { $amount }.
refund-under-way-title = ↩️ Повертаємо { $amount }
refund-under-way-body = Гроші повернуться туди, звідки ви платили. Банку може знадобитися кілька днів.
refund-done-title = ✅ Повернено { $amount }
refund-done-body = Гроші пішли туди, звідки ви платили. Банк може показати їх за кілька днів.
refund-done-before = Раніше повернено: { $amount }.
refund-failed-title = ⚠️ Не вдалося повернути { $amount }
refund-failed-body = Ці гроші лишилися на вашому балансі.

## Причини й поради

reason-unreadable = Не вдалося прочитати чек.
advice-unreadable = Розправте чек, сфотографуйте його цілком при доброму світлі й надішліть ще раз, краще файлом.
reason-not_a_receipt = На фото не фіскальний чек.
advice-not_a_receipt = Надішліть фото касового чека з QR-кодом податкової.
reason-return_receipt = Це чек повернення товару.
advice-return_receipt = Бонус дається лише за покупку: надішліть чек продажу.
reason-no_items = У чеку не знайшлося товарів.
advice-no_items = Зробіть фото так, щоб було видно весь список покупок.
reason-no_eligible_product = Серед покупок немає товарів акції.
advice-no_eligible_product = Перегляньте перелік товарів в умовах. Якщо товар у чеку є, попросіть перевірку.
reason-expired =
    { $days ->
        [0] Покупка зроблена занадто давно.
        [one] Покупці понад { $days } день.
        [few] Покупці понад { $days } дні.
        [many] Покупці понад { $days } днів.
       *[other] Покупці понад { $days } дня.
    }
advice-expired = Надсилайте чек одразу після покупки.
reason-future_date = Дата на чеку ще не настала.
advice-future_date = Якщо на чеку все правильно, попросіть перевірку.
reason-daily_limit =
    { $limit ->
        [0] Ліміт бонусів вичерпано.
        [one] Ви вже отримали { $limit } бонус — це межа акції.
        [few] Ви вже отримали { $limit } бонуси — це межа акції.
        [many] Ви вже отримали { $limit } бонусів — це межа акції.
       *[other] Ви вже отримали { $limit } бонусу — це межа акції.
    }
advice-daily_limit = Денний лічильник оновиться опівночі за Києвом.
reason-duplicate_image = Це саме фото вже надсилали.
advice-duplicate_image = Надішліть інший чек.
reason-duplicate_receipt = Цей чек уже зараховано раніше.
advice-duplicate_receipt = Кожен чек діє один раз. Надішліть інший.
reason-total_mismatch = Сума рядків не збігається з підсумком.
advice-total_mismatch = Сфотографуйте чек рівно й цілком, без тіней і згинів.
reason-low_confidence = Частину чека прочитано непевно.
advice-low_confidence = Чіткіше фото з видимим QR-кодом вирішить усе швидше.
reason-qr_mismatch = Текст чека не збігається з QR-кодом.
advice-qr_mismatch = Надішліть фото оригінального чека, де видно і текст, і код.
reason-campaign_inactive = Акція зараз не діє для цієї покупки.
advice-campaign_inactive = Перегляньте дати, магазини й валюту в умовах.
reason-budget_exhausted = Бюджет акції вичерпано.
advice-budget_exhausted = Спробуйте завтра: можливо, з’явиться новий бюджет.
reason-suspected_fraud = Чек потребує додаткової перевірки.
advice-suspected_fraud = Якщо чек справжній, усе гаразд: його перегляне людина.

## Кнопки

button-again = Надіслати ще
button-details = Докладніше
button-change-number = Змінити номер
button-pay = Сплатити
button-appeal = Попросити перевірку
button-older = Давніші →
button-newer = ← Новіші
button-again-answer = Просто надішліть наступне фото сюди.
button-foreign = Ця кнопка не ваша.
button-expired = Ця кнопка вже застаріла. Усе актуальне — у /history.
button-appealed = Передано на перевірку людині.
button-appeal-late = Цей чек уже не можна оскаржити.

## Докладніше

details-title = <b>Чек № { $number }</b>
details-submitted = Надіслано: { $date }
details-purchased = Покупка: { $date }
details-total = Сума: { $total }
details-merchant = Продавець: { $merchant }
details-state = Стан: { $state }
details-items =
    { $count ->
        [one] { $count } товар:
        [few] { $count } товари:
        [many] { $count } товарів:
       *[other] { $count } товару:
    }
details-more =
    { $count ->
        [one] … і ще { $count } рядок
        [few] … і ще { $count } рядки
        [many] … і ще { $count } рядків
       *[other] … і ще { $count } рядка
    }
details-reward = Бонус: { $reward }

## Стани, коротко

state-reading = читається
state-read = перевіряється
state-accepted = прийнято
state-credited = бонус зараховано
state-sending = виплачується
state-waiting-tomorrow = виплата завтра, бонус на балансі
state-waiting-provider = виплати призупинено, бонус на балансі
state-waiting-person = виплату вирішує людина, бонус на балансі
state-retry = виплата повториться
state-paid = виплачено
state-unknown = уточнюється в оператора
state-payout-review = виплату перевіряє людина
state-payout-failed = не вдалося виплатити, бонус на балансі
state-reversed = виплату повернуто
state-rejected = без бонусу
state-review = перевіряє людина

## Баланс та історія

balance-title = 💰 <b>Ваші бонуси</b>
balance-available = Доступно: <b>{ $amount }</b>
balance-held = Виплачується: { $amount }
balance-paid = Виплачено за весь час: { $amount }
balance-empty = Поки що порожньо. Надішліть перший чек!
balance-receipts =
    { $count ->
        [one] Надіслано { $count } чек:
        [few] Надіслано { $count } чеки:
        [many] Надіслано { $count } чеків:
       *[other] Надіслано { $count } чека:
    }
balance-counts = прийнято { $accepted }, без бонусу { $rejected }, у роботі { $pending }.
history-title = 🧾 <b>Ваші чеки</b>
history-empty = Чеків ще немає. Надішліть фото першого!
history-more = Це ще не все — гортайте кнопками.

## Налаштування

language-choose = 🌐 <b>Якою мовою спілкуємось?</b>
language-set = ✅ Домовились, далі українською.
language-name = Українська
notifications-state-on = 🔔 <b>Нагадування ввімкнено.</b> Про ваші чеки й виплати я пишу завжди.
notifications-state-off = 🔕 <b>Нагадування вимкнено.</b> Про ваші чеки й виплати я пишу завжди.
notifications-on-button = Увімкнути
notifications-off-button = Вимкнути
cancelled = Добре, скасовано. Можна надсилати чеки.
nothing-to-cancel = Скасовувати нічого. Можна надсилати чеки.
forget-ask =
    ⚠️ <b>Видалити ваші дані?</b>
    Номер телефону, адреса чату й фото чеків стануть недоступними назавжди, невиплачені бонуси отримати вже не вийде, а цей акаунт більше не зможе користуватися ботом. Записи про рух грошей лишаються без вашого імені — цього вимагає закон.
forget-yes-button = Так, видалити назавжди
forget-no-button = Ні, залишити
forget-kept = Добре, усе лишається як є.
forget-done = Готово: ваші дані видалено назавжди. Дякую, що були з нами.

## Відповіді на несподіване

unknown-command = Не знаю команди { $command }. Усе, що я вмію, — у /help.
text-unexpected = Я розумію фото чеків і команди. Надішліть фото чека або загляньте в /help.
content-unexpected = З таким повідомленням я нічого не вдію. Надішліть чек як фото або файл JPEG, PNG чи WebP.
upload-too-large = Файл завеликий: приймаю до { $limit } МБ. Надішліть чек як фото або зменште файл.
upload-type = Це не схоже на фото. Приймаю JPEG, PNG і WebP: надішліть чек одним із них.
upload-broken = Файл пошкоджено, і відкрити його не вдалося. Зробіть нове фото й надішліть ще раз.
upload-rate =
    { $seconds ->
        [one] Забагато фото поспіль. Зачекайте { $seconds } секунду й надішліть це ще раз.
        [few] Забагато фото поспіль. Зачекайте { $seconds } секунди й надішліть це ще раз.
        [many] Забагато фото поспіль. Зачекайте { $seconds } секунд і надішліть це ще раз.
       *[other] Забагато фото поспіль. Зачекайте { $seconds } секунди й надішліть це ще раз.
    }
upload-lost = Telegram не віддав цей файл. Надішліть його, будь ласка, ще раз.
banned = Ваш акаунт заблоковано за порушення умов. Якщо це помилка, напишіть у підтримку.
forgotten = Дані цього акаунта видалено за вашим бажанням, тож продовжити з нього не можна.
refused = Не вийшло: { $code }. Спробуйте інакше або загляньте в /help.
error = 😔 <b>Сталася помилка на нашому боці.</b> Ваші гроші й чеки в безпеці. Спробуйте трохи згодом; якщо повториться, назвіть підтримці код <code>{ $code }</code>.

## Адміністратору

report-title = 📊 <b>Звіт за { $date }</b>
report-line = { $name }: { $value }
report-bad-date = Не розумію дату. Напишіть так: /report 20.11.2026
report-users-total = Користувачів усього
report-users-new = Нових
report-users-active = Активних
report-receipts = Чеків
report-accepted = Прийнято
report-rejected = Відхилено
report-review = На перевірці
report-paid-count = Виплат
report-paid-sum = Виплачено
report-credited-sum = Нараховано
report-failed-count = Виплат не вдалося
report-reasons = <b>Причини відмов</b>
stats-title = 📈 <b>Зараз</b>
stats-unknown = Виплат уточнюється
find-usage = Напишіть так: /find 1a2b3c4d-… (повний номер чека)
find-none = Такого чека немає.

## Описи команд

command-start = почати
command-help = довідка
command-balance = баланс і підсумки
command-history = мої чеки
command-change_phone = змінити номер
command-language = мова
command-notifications = нагадування
command-forget = видалити мої дані
command-cancel = скасувати дію
