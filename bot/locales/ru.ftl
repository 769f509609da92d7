### Тексты бота на русском. Подстановки экранируются в коде, теги — только здесь.

## Знакомство

hello =
    👋 <b>Здравствуйте!</b> Я возвращаю деньги за покупки: вы присылаете фото чека, я проверяю его и пополняю ваш мобильный.

    Чтобы начать, прочитайте и примите <a href="{ $url }">условия и политику приватности</a>. До этого я не храню о вас ничего, кроме номера вашего аккаунта.
terms-accept-button = Принимаю условия
terms-read-button = Прочитать условия
terms-accepted = ✅ <b>Условия приняты.</b> Спасибо! Версия { $version }.
terms-first =
    Сначала нужно ваше согласие с <a href="{ $url }">условиями</a>. Нажмите кнопку ниже — и можно присылать чеки.
contact-ask =
    📱 <b>Куда отправлять бонусы?</b>
    Нажмите кнопку внизу, чтобы поделиться своим номером. Принимаю только ваш собственный номер — так никто посторонний не пострадает.
contact-ask-change =
    📱 <b>Сейчас бонусы идут на { $phone }.</b>
    Чтобы сменить номер, нажмите кнопку внизу. Если передумали — /cancel.
contact-button = 📱 Поделиться моим номером
contact-saved =
    ✅ <b>Номер { $phone } сохранён.</b>
    Теперь пришлите фото чека — или файлом, так читается лучше.
contact-foreign =
    Это контакт другого человека, поэтому я его не взял. Нажмите кнопку внизу, чтобы поделиться <b>своим</b> номером.
contact-invalid =
    Я пополняю только украинские номера, например 067 123 45 67. Поделитесь контактом из аккаунта с таким номером — ваши чеки и бонусы никуда не денутся.
contact-unsupported =
    Номера этого оператора я пока не умею пополнять: работаю с Киевстар, Vodafone и lifecell. Поделитесь другим номером через /change_phone — ваши чеки и бонусы никуда не денутся.
contact-typed = Номер нужно именно отправить кнопкой внизу: так я знаю, что он ваш. Если передумали — /cancel.
ready =
    👋 <b>Рад видеть вас снова!</b>
    Пришлите фото чека — и я скажу, будет ли бонус.

## Справка

help =
    <b>Как это работает</b>
    1. Сфотографируйте чек целиком, чтобы был виден QR-код.
    2. Пришлите фото сюда. Файлом («без сжатия») читается лучше.
    3. Я проверю чек и пополню ваш номер. Всё видно в одном сообщении.

    Принимаю JPEG, PNG и WebP до 10 МБ, не больше 5 фото в минуту.

    /balance — баланс и итоги
    /history — ваши чеки
    /change_phone — сменить номер
    /language — язык
    /notifications — напоминания
    /forget — удалить мои данные
    /cancel — отменить текущее действие
help-admin =
    <b>Для администратора</b>
    /report [ДД.ММ.ГГГГ] — отчёт за день
    /stats — состояние сейчас
    /find &lt;номер чека&gt; — найти чек

## Чек

receipt-reading-title = 🧾 Чек получен
receipt-reading-body = Читаю его, обычно это несколько секунд.
receipt-hint-small = 💡 Фото небольшое. Если не получится прочитать, снимите ближе или пришлите файлом.
receipt-read-title = 🔎 Чек прочитан
receipt-read-body = Проверяю условия акции.
receipt-accepted-title = ✅ Чек принят
receipt-accepted-body = Бонус { $reward } уже на пути к вашему балансу.
receipt-credited-title = ✅ Бонус { $reward } зачислен
receipt-credited-body = Готовлю пополнение номера { $phone }.
receipt-sending-title = 📲 Бонус { $reward } отправляется
receipt-sending-body = Пополняю номер { $phone }.
receipt-waiting-title = ⏳ Бонус { $reward } ждёт своей очереди
receipt-retry-title = ⏳ Бонус { $reward } немного задерживается
receipt-retry-body = Оператор сейчас не принимает пополнения. Деньги отложены для вас, я попробую ещё раз сам.
receipt-paid-title = 🎉 Бонус { $reward } выплачен
receipt-paid-body = Номер { $phone } пополнен. Спасибо за чек!
receipt-unknown-title = ⏳ Уточняем у оператора
receipt-unknown-body = Бонус { $reward } отправлен на { $phone }, но подтверждения ещё нет. Проверяем; дважды ничего не спишется, деньги не потеряются.
receipt-payout-review-title = 👀 Выплату проверяет человек
receipt-payout-review-body = Бонус { $reward } отложен для вас. Делать ничего не нужно, я напишу, как только всё прояснится.
receipt-payout-failed-title = ⚠️ Номер { $phone } не удалось пополнить
receipt-payout-failed-body = Бонус { $reward } остался на вашем балансе. Проверьте номер или укажите другой.
receipt-reversed-title = ⚠️ Оператор вернул пополнение
receipt-reversed-body = Бонус { $reward } не дошёл до { $phone }. Мы разбираемся и напишем вам.
receipt-rejected-title = ❌ За этот чек бонуса нет
receipt-rejected-body =
    { $count ->
        [one] Вот причина:
        [few] Вот { $count } причины:
        [many] Вот { $count } причин:
       *[other] Вот причины:
    }
receipt-review-title = 👀 Чек смотрит человек
receipt-review-body = Ответим в течение суток. Что вызвало сомнение:
receipt-appealed-title = 👀 Ваша просьба принята
receipt-appealed-body = Чек посмотрит человек, ответ будет в течение суток.
receipt-number = Чек № { $number }

## Движение денег

waiting-tomorrow = Сегодняшний лимит выплат исчерпан. Деньги в безопасности на вашем балансе, завтра я отправлю их сам.
waiting-provider = Выплаты временно приостановлены. Деньги в безопасности на вашем балансе, я отправлю их сам, как только всё заработает.
waiting-person = Сумма больше дневного лимита выплат, поэтому решает человек. Деньги в безопасности на вашем балансе, делать ничего не нужно.

payout-to-mobile = на ваш мобильный
payout-to-sbp = на ваш банковский счёт
payout-to-wallet = на ваш кошелёк ЮMoney
payout-to-card = на вашу карту
payout-sending-title = 📤 Выплата { $amount } отправляется
payout-sending-body = Деньги идут { $to }.
payout-waiting-title = ⏳ Выплата { $amount } ждёт своей очереди
payout-retry-title = ⏳ Выплата { $amount } немного задерживается
payout-retry-body = Отправить пока не удалось. Деньги отложены для вас, я попробую ещё раз сам.
payout-unknown-title = ⏳ Проверяем выплату { $amount }
payout-unknown-body = Деньги отправлены { $to }, но подтверждения ещё нет. Дважды ничего не спишется, деньги не потеряются.
payout-review-title = 👀 Выплату { $amount } проверяет человек
payout-review-body = Деньги отложены для вас. Делать ничего не нужно, я напишу, как только всё прояснится.
payout-paid-title = ✅ Выплата { $amount } зачислена
payout-paid-body = Деньги поступили { $to }.
payout-failed-title = ⚠️ Выплата { $amount } не удалась
payout-failed-body = Отправить деньги { $to } не вышло. Они снова на вашем балансе.
payout-reversed-title = ⚠️ Выплата { $amount } возвращена
payout-reversed-body = Деньги не дошли { $to } и вернулись. Они снова на вашем балансе.
payout-number = Выплата № { $number }

payment-waiting-title = 💳 Пополнение на { $amount } ждёт оплаты
payment-waiting-body = Как только деньги поступят, я зачислю их на ваш баланс.
payment-waiting-button = Нажмите кнопку ниже, чтобы оплатить. Как только деньги поступят, я зачислю их на ваш баланс.
payment-waiting-link =
    Оплатить можно здесь: { $url }
    Как только деньги поступят, я зачислю их на ваш баланс.
payment-held-title = ⏳ Оплата { $amount } получена
payment-held-body = Банк отложил деньги и ждёт подтверждения. Как только оно будет, я зачислю их на ваш баланс.
payment-paid-title = ✅ Баланс пополнен на { $amount }
payment-paid-body = Деньги уже на вашем балансе. Спасибо!
payment-ended-title = ❌ Пополнение на { $amount } не состоялось
payment-ended-body = Оплата отменена, или время на неё вышло. Можно начать новое пополнение.
payment-checking-title = 👀 Пополнение на { $amount } проверяет человек
payment-checking-body = Оплата не совпала с тем, что мы ждали. Делать ничего не нужно, я напишу, как только всё прояснится.
payment-checked-title = ✅ Пополнение на { $amount } проверено
payment-checked-body = Сколько денег на балансе сейчас, покажет /balance.
payment-refused-title = ❌ Пополнение на { $amount } не зачислено
payment-refused-body = Человек проверил оплату: она не совпала с тем, что мы ждали. Если деньги ваши, напишите в поддержку.
payment-number = Пополнение № { $number }

refund-of = Вы заплатили { $amount }.
refund-under-way-title = ↩️ Возвращаем { $amount }
refund-under-way-body = Деньги вернутся туда, откуда вы платили. Банку может понадобиться несколько дней.
refund-done-title = ✅ Возвращено { $amount }
refund-done-body = Деньги ушли туда, откуда вы платили. Банк может показать их через несколько дней.
refund-done-before = Раньше возвращено: { $amount }.
refund-failed-title = ⚠️ Не удалось вернуть { $amount }
refund-failed-body = Эти деньги остались на вашем балансе.

## Причины и советы

reason-unreadable = Не удалось прочитать чек.
advice-unreadable = Расправьте чек, сфотографируйте его целиком при хорошем свете и пришлите ещё раз, лучше файлом.
reason-not_a_receipt = На фото не фискальный чек.
advice-not_a_receipt = Пришлите фото кассового чека с QR-кодом налоговой.
reason-return_receipt = Это чек возврата товара.
advice-return_receipt = Бонус даётся только за покупку: пришлите чек продажи.
reason-no_items = В чеке не нашлось товаров.
advice-no_items = Сделайте фото так, чтобы был виден весь список покупок.
reason-no_eligible_product = Среди покупок нет товаров акции.
advice-no_eligible_product = Посмотрите перечень товаров в условиях. Если товар в чеке есть, попросите проверку.
reason-expired =
    { $days ->
        [0] Покупка сделана слишком давно.
        [one] Покупке больше { $days } дня.
        [few] Покупке больше { $days } дней.
        [many] Покупке больше { $days } дней.
       *[other] Покупке больше { $days } дня.
    }
advice-expired = Присылайте чек сразу после покупки.
reason-future_date = Дата на чеке ещё не наступила.
advice-future_date = Если на чеке всё верно, попросите проверку.
reason-daily_limit =
    { $limit ->
        [0] Лимит бонусов исчерпан.
        [one] Вы уже получили { $limit } бонус — это предел акции.
        [few] Вы уже получили { $limit } бонуса — это предел акции.
        [many] Вы уже получили { $limit } бонусов — это предел акции.
       *[other] Вы уже получили { $limit } бонуса — это предел акции.
    }
advice-daily_limit = Дневной счётчик обновится в полночь по Киеву.
reason-duplicate_image = Это самое фото уже присылали.
advice-duplicate_image = Пришлите другой чек.
reason-duplicate_receipt = Этот чек уже засчитан раньше.
advice-duplicate_receipt = Каждый чек действует один раз. Пришлите другой.
reason-total_mismatch = Сумма строк не сходится с итогом.
advice-total_mismatch = Сфотографируйте чек ровно и целиком, без теней и сгибов.
reason-low_confidence = Часть чека прочитана неуверенно.
advice-low_confidence = Чёткое фото с видимым QR-кодом решит всё быстрее.
reason-qr_mismatch = Текст чека не совпадает с QR-кодом.
advice-qr_mismatch = Пришлите фото оригинального чека, где видны и текст, и код.
reason-campaign_inactive = Акция сейчас не действует для этой покупки.
advice-campaign_inactive = Посмотрите даты, магазины и валюту в условиях.
reason-budget_exhausted = Бюджет акции исчерпан.
advice-budget_exhausted = Попробуйте завтра: возможно, появится новый бюджет.
reason-suspected_fraud = Чек требует дополнительной проверки.
advice-suspected_fraud = Если чек настоящий, всё в порядке: его посмотрит человек.

## Кнопки

button-again = Прислать ещё
button-details = Подробнее
button-change-number = Сменить номер
button-pay = Оплатить
button-appeal = Попросить проверку
button-older = Раньше →
button-newer = ← Позже
button-again-answer = Просто пришлите следующее фото сюда.
button-foreign = Эта кнопка не ваша.
button-expired = Эта кнопка уже устарела. Всё актуальное — в /history.
button-appealed = Передано на проверку человеку.
button-appeal-late = Этот чек уже нельзя оспорить.

## Подробнее

details-title = <b>Чек № { $number }</b>
details-submitted = Прислан: { $date }
details-purchased = Покупка: { $date }
details-total = Сумма: { $total }
details-merchant = Продавец: { $merchant }
details-state = Состояние: { $state }
details-items =
    { $count ->
        [one] { $count } товар:
        [few] { $count } товара:
        [many] { $count } товаров:
       *[other] { $count } товара:
    }
details-more =
    { $count ->
        [one] … и ещё { $count } строка
        [few] … и ещё { $count } строки
        [many] … и ещё { $count } строк
       *[other] … и ещё { $count } строки
    }
details-reward = Бонус: { $reward }

## Состояния, коротко

state-reading = читается
state-read = проверяется
state-accepted = принят
state-credited = бонус зачислен
state-sending = выплачивается
state-waiting-tomorrow = выплата завтра, бонус на балансе
state-waiting-provider = выплаты приостановлены, бонус на балансе
state-waiting-person = выплату решает человек, бонус на балансе
state-retry = выплата повторится
state-paid = выплачено
state-unknown = уточняется у оператора
state-payout-review = выплату проверяет человек
state-payout-failed = не удалось выплатить, бонус на балансе
state-reversed = выплата возвращена
state-rejected = без бонуса
state-review = проверяет человек

## Баланс и история

balance-title = 💰 <b>Ваши бонусы</b>
balance-available = Доступно: <b>{ $amount }</b>
balance-held = Выплачивается: { $amount }
balance-paid = Выплачено за всё время: { $amount }
balance-empty = Пока пусто. Пришлите первый чек!
balance-receipts =
    { $count ->
        [one] Прислан { $count } чек:
        [few] Прислано { $count } чека:
        [many] Прислано { $count } чеков:
       *[other] Прислано { $count } чека:
    }
balance-counts = принято { $accepted }, без бонуса { $rejected }, в работе { $pending }.
history-title = 🧾 <b>Ваши чеки</b>
history-empty = Чеков ещё нет. Пришлите фото первого!
history-more = Это ещё не всё — листайте кнопками.

## Настройки

language-choose = 🌐 <b>На каком языке общаемся?</b>
language-set = ✅ Договорились, дальше по-русски.
language-name = Русский
notifications-state-on = 🔔 <b>Напоминания включены.</b> О ваших чеках и выплатах я пишу всегда.
notifications-state-off = 🔕 <b>Напоминания выключены.</b> О ваших чеках и выплатах я пишу всегда.
notifications-on-button = Включить
notifications-off-button = Выключить
cancelled = Хорошо, отменено. Можно присылать чеки.
nothing-to-cancel = Отменять нечего. Можно присылать чеки.
forget-ask =
    ⚠️ <b>Удалить ваши данные?</b>
    Номер телефона, адрес чата и фото чеков станут недоступны навсегда, невыплаченные бонусы получить уже не выйдет, а этот аккаунт больше не сможет пользоваться ботом. Записи о движении денег остаются без вашего имени — этого требует закон.
forget-yes-button = Да, удалить навсегда
forget-no-button = Нет, оставить
forget-kept = Хорошо, всё остаётся как есть.
forget-done = Готово: ваши данные удалены навсегда. Спасибо, что были с нами.

## Ответы на неожиданное

unknown-command = Не знаю команды { $command }. Всё, что я умею, — в /help.
text-unexpected = Я понимаю фото чеков и команды. Пришлите фото чека или загляните в /help.
content-unexpected = С таким сообщением я ничего не сделаю. Пришлите чек как фото или файл JPEG, PNG либо WebP.
upload-too-large = Файл слишком большой: принимаю до { $limit } МБ. Пришлите чек как фото или уменьшите файл.
upload-type = Это не похоже на фото. Принимаю JPEG, PNG и WebP: пришлите чек одним из них.
upload-broken = Файл повреждён, открыть его не удалось. Сделайте новое фото и пришлите ещё раз.
upload-rate =
    { $seconds ->
        [one] Слишком много фото подряд. Подождите { $seconds } секунду и пришлите это ещё раз.
        [few] Слишком много фото подряд. Подождите { $seconds } секунды и пришлите это ещё раз.
        [many] Слишком много фото подряд. Подождите { $seconds } секунд и пришлите это ещё раз.
       *[other] Слишком много фото подряд. Подождите { $seconds } секунды и пришлите это ещё раз.
    }
upload-lost = Telegram не отдал этот файл. Пришлите его, пожалуйста, ещё раз.
banned = Ваш аккаунт заблокирован за нарушение условий. Если это ошибка, напишите в поддержку.
forgotten = Данные этого аккаунта удалены по вашему желанию, поэтому продолжить с него нельзя.
refused = Не вышло: { $code }. Попробуйте иначе или загляните в /help.
error = 😔 <b>Произошла ошибка на нашей стороне.</b> Ваши деньги и чеки в безопасности. Попробуйте чуть позже; если повторится, назовите поддержке код <code>{ $code }</code>.

## Администратору

report-title = 📊 <b>Отчёт за { $date }</b>
report-line = { $name }: { $value }
report-bad-date = Не понимаю дату. Напишите так: /report 20.11.2026
report-users-total = Пользователей всего
report-users-new = Новых
report-users-active = Активных
report-receipts = Чеков
report-accepted = Принято
report-rejected = Отклонено
report-review = На проверке
report-paid-count = Выплат
report-paid-sum = Выплачено
report-credited-sum = Начислено
report-failed-count = Выплат не удалось
report-reasons = <b>Причины отказов</b>
stats-title = 📈 <b>Сейчас</b>
stats-unknown = Выплат уточняется
find-usage = Напишите так: /find 1a2b3c4d-… (полный номер чека)
find-none = Такого чека нет.

## Описания команд

command-start = начать
command-help = справка
command-balance = баланс и итоги
command-history = мои чеки
command-change_phone = сменить номер
command-language = язык
command-notifications = напоминания
command-forget = удалить мои данные
command-cancel = отменить действие
