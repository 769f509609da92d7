### The bot's texts in English. Values are escaped in the code; tags stand only here.

## Getting to know each other

hello =
    👋 <b>Hello!</b> I give money back for purchases: you send a photo of a receipt, I check it and top up your mobile.

    To begin, please read and accept the <a href="{ $url }">terms and the privacy policy</a>. Until then I keep nothing about you but your account's number.
terms-accept-button = I accept the terms
terms-read-button = Read the terms
terms-accepted = ✅ <b>Terms accepted.</b> Thank you! Version { $version }.
terms-first =
    First I need your consent to the <a href="{ $url }">terms</a>. Press the button below and you can send receipts.
contact-ask =
    📱 <b>Where shall the bonuses go?</b>
    Press the button below to share your number. I take only your own number, so nobody else gets into trouble through you.
contact-ask-change =
    📱 <b>Bonuses go to { $phone } now.</b>
    To change the number, press the button below. Changed your mind? /cancel
contact-button = 📱 Share my number
contact-saved =
    ✅ <b>Number { $phone } saved.</b>
    Now send a photo of a receipt – or send it as a file, which reads better.
contact-foreign =
    This contact is somebody else's, so I did not take it. Press the button below to share <b>your own</b> number.
contact-invalid =
    I can top up only Ukrainian numbers such as 067 123 45 67. Share the contact of an account with such a number – your receipts and bonuses stay where they are.
contact-unsupported =
    I cannot top up this operator's numbers yet: I work with Kyivstar, Vodafone and lifecell. Share another number with /change_phone – your receipts and bonuses stay where they are.
contact-typed = Please send the number with the button below: that is how I know that it is yours. Changed your mind? /cancel
ready =
    👋 <b>Good to see you again!</b>
    Send a photo of a receipt and I will tell you whether it earns a bonus.

## Help

help =
    <b>How it works</b>
    1. Photograph the whole receipt with its QR code in view.
    2. Send the photo here. As a file (“without compression”) it reads better.
    3. I check the receipt and top up your number. One message shows it all.

    I take JPEG, PNG and WebP of up to 10 MB, at most 5 photos a minute.

    /balance – balance and totals
    /history – your receipts
    /change_phone – change the number
    /language – language
    /notifications – reminders
    /forget – delete my data
    /cancel – leave what we are doing
help-admin =
    <b>For administrators</b>
    /report [DD.MM.YYYY] – report of a day
    /stats – how things stand
    /find &lt;receipt number&gt; – find a receipt

## A receipt

receipt-reading-title = 🧾 Receipt received
receipt-reading-body = Reading it, which usually takes some seconds.
receipt-hint-small = 💡 The photo is small. If it cannot be read, move closer or send it as a file.
receipt-read-title = 🔎 Receipt read
receipt-read-body = Checking the terms of the campaign.
receipt-accepted-title = ✅ Receipt accepted
receipt-accepted-body = The bonus of { $reward } is on its way to your balance.
receipt-credited-title = ✅ Bonus of { $reward } credited
receipt-credited-body = Preparing the top-up of { $phone }.
receipt-sending-title = 📲 Bonus of { $reward } is being sent
receipt-sending-body = Topping up { $phone }.
receipt-waiting-title = ⏳ Bonus of { $reward } waits for its turn
receipt-retry-title = ⏳ Bonus of { $reward } takes a little longer
receipt-retry-body = The operator takes no top-ups just now. The money is set aside for you, and I will try again by myself.
receipt-paid-title = 🎉 Bonus of { $reward } paid
receipt-paid-body = { $phone } has been topped up. Thank you for the receipt!
receipt-unknown-title = ⏳ We are checking with the operator
receipt-unknown-body = The bonus of { $reward } was sent to { $phone } but is not confirmed yet. We are checking; nothing is charged twice and no money gets lost.
receipt-payout-review-title = 👀 A person is checking the payout
receipt-payout-review-body = The bonus of { $reward } is set aside for you. There is nothing to do, I will write as soon as it is clear.
receipt-payout-failed-title = ⚠️ { $phone } could not be topped up
receipt-payout-failed-body = The bonus of { $reward } stays on your balance. Check the number or give another one.
receipt-reversed-title = ⚠️ The operator returned the top-up
receipt-reversed-body = The bonus of { $reward } did not reach { $phone }. We are looking into it and will write to you.
receipt-rejected-title = ❌ No bonus for this receipt
receipt-rejected-body =
    { $count ->
        [one] The reason:
       *[other] The { $count } reasons:
    }
receipt-review-title = 👀 A person is looking at the receipt
receipt-review-body = We answer within a day. What was doubtful:
receipt-appealed-title = 👀 Your request is in
receipt-appealed-body = A person will look at the receipt and answer within a day.
receipt-number = Receipt no. { $number }

## Money on its way

waiting-tomorrow = Today's limit for payouts is used up. The money is safe on your balance, and tomorrow I will send it by myself.
waiting-provider = Payouts are paused for now. The money is safe on your balance, and I will send it by myself as soon as they work again.
waiting-person = The amount is above the daily limit for payouts, so a person decides. The money is safe on your balance, there is nothing to do.

payout-to-mobile = to your mobile
payout-to-sbp = to your bank account
payout-to-wallet = to your YooMoney wallet
payout-to-card = to your card
payout-sending-title = 📤 Payout of { $amount } is being sent
payout-sending-body = The money is going { $to }.
payout-waiting-title = ⏳ Payout of { $amount } waits for its turn
payout-retry-title = ⏳ Payout of { $amount } takes a little longer
payout-retry-body = It could not be sent yet. The money is set aside for you, and I will try again by myself.
payout-unknown-title = ⏳ We are checking the payout of { $amount }
payout-unknown-body = The money was sent { $to } but is not confirmed yet. Nothing is charged twice and no money gets lost.
payout-review-title = 👀 A person is checking the payout of { $amount }
payout-review-body = The money is set aside for you. There is nothing to do, I will write as soon as it is clear.
payout-paid-title = ✅ Payout of { $amount } has arrived
payout-paid-body = The money has come { $to }.
payout-failed-title = ⚠️ Payout of { $amount } failed
payout-failed-body = The money could not be sent { $to }. It is back on your balance.
payout-reversed-title = ⚠️ Payout of { $amount } was returned
payout-reversed-body = The money did not get { $to } and came back. It is on your balance again.
payout-number = Payout no. { $number }

payment-waiting-title = 💳 Top-up of { $amount } waits to be paid
payment-waiting-body = As soon as the money comes, I will credit it to your balance.
payment-waiting-button = Press the button below to pay. As soon as the money comes, I will credit it to your balance.
payment-waiting-link =
    You can pay here: { $url }
    As soon as the money comes, I will credit it to your balance.
payment-held-title = ⏳ Payment of { $amount } received
payment-held-body = The bank has set the money aside and waits for a confirmation. Then I will credit it to your balance.
payment-paid-title = ✅ Balance topped up by { $amount }
payment-paid-body = The money is on your balance now. Thank you!
payment-ended-title = ❌ Top-up of { $amount } did not happen
payment-ended-body = The payment was cancelled, or its time ran out. You can start a new top-up.
payment-checking-title = 👀 A person is checking the top-up of { $amount }
payment-checking-body = The payment is not the one that we expected. There is nothing to do, I will write as soon as it is clear.
payment-checked-title = ✅ Top-up of { $amount } has been checked
payment-checked-body = See /balance for what is on your balance now.
payment-refused-title = ❌ Top-up of { $amount } was not credited
payment-refused-body = A person has checked the payment: it is not the one that we expected. If the money is yours, write to support.
payment-number = Top-up no. { $number }

refund-of = You paid { $amount }.
refund-under-way-title = ↩️ { $amount } is being returned
refund-under-way-body = The money goes back to where you paid from. The bank may need some days.
refund-done-title = ✅ { $amount } returned
refund-done-body = The money has gone to where you paid from. The bank may show it in some days.
refund-done-before = Returned before: { $amount }.
refund-failed-title = ⚠️ { $amount } could not be returned
refund-failed-body = This money has stayed on your balance.

## Reasons and advice

reason-unreadable = The receipt could not be read.
advice-unreadable = Flatten the receipt, photograph all of it in good light and send it again, best as a file.
reason-not_a_receipt = The photo shows no fiscal receipt.
advice-not_a_receipt = Send a photo of a till receipt with the tax office's QR code.
reason-return_receipt = This receipt is for returned goods.
advice-return_receipt = Only purchases earn a bonus: send the receipt of a sale.
reason-no_items = No goods were found on the receipt.
advice-no_items = Take the photo so that the whole list of goods is in view.
reason-no_eligible_product = None of the goods belongs to the campaign.
advice-no_eligible_product = See the list of goods in the terms. If one is on the receipt, ask for a check.
reason-expired =
    { $days ->
        [0] The purchase was too long ago.
        [one] The purchase is more than { $days } day old.
       *[other] The purchase is more than { $days } days old.
    }
advice-expired = Send receipts right after the purchase.
reason-future_date = The date on the receipt has not come yet.
advice-future_date = If the receipt is right, ask for a check.
reason-daily_limit =
    { $limit ->
        [0] There are no more bonuses for you now.
        [one] You have had { $limit } bonus, the most that the campaign gives.
       *[other] You have had { $limit } bonuses, the most that the campaign gives.
    }
advice-daily_limit = The daily count starts anew at midnight in Kyiv.
reason-duplicate_image = This very photo was sent before.
advice-duplicate_image = Send another receipt.
reason-duplicate_receipt = This receipt was counted before.
advice-duplicate_receipt = Each receipt counts once. Send another one.
reason-total_mismatch = The lines do not add up to the total.
advice-total_mismatch = Photograph the receipt straight and whole, without shadows and folds.
reason-low_confidence = Parts of the receipt are hard to read.
advice-low_confidence = A sharper photo with the QR code in view settles it faster.
reason-qr_mismatch = The text of the receipt does not match its QR code.
advice-qr_mismatch = Send a photo of the original receipt that shows both text and code.
reason-campaign_inactive = The campaign is not running for this purchase.
advice-campaign_inactive = See the dates, shops and currency in the terms.
reason-budget_exhausted = The campaign's budget is spent.
advice-budget_exhausted = Try tomorrow: there may be a new budget.
reason-suspected_fraud = The receipt needs another look.
advice-suspected_fraud = If it is genuine, all is well: a person will look at it.

## Buttons

button-again = Send another
button-details = Details
button-change-number = Change number
button-pay = Pay
button-appeal = Ask for a check
button-older = Older →
button-newer = ← Newer
button-again-answer = Just send the next photo here.
button-foreign = This button is not yours.
button-expired = This button is out of date. See /history for how things stand.
button-appealed = Handed to a person.
button-appeal-late = This receipt can no longer be appealed.

## Details

details-title = <b>Receipt no. { $number }</b>
details-submitted = Sent: { $date }
details-purchased = Purchase: { $date }
details-total = Total: { $total }
details-merchant = Seller: { $merchant }
details-state = State: { $state }
details-items =
    { $count ->
        [one] { $count } item:
       *[other] { $count } items:
    }
details-more =
    { $count ->
        [one] … and { $count } more line
       *[other] … and { $count } more lines
    }
details-reward = Bonus: { $reward }

## States, in short

state-reading = being read
state-read = being checked
state-accepted = accepted
state-credited = bonus credited
state-sending = being paid
state-waiting-tomorrow = paid out tomorrow, bonus on the balance
state-waiting-provider = payouts are paused, bonus on the balance
state-waiting-person = a person decides on the payout, bonus on the balance
state-retry = payout to be repeated
state-paid = paid
state-unknown = being checked with the operator
state-payout-review = payout checked by a person
state-payout-failed = not paid, bonus on the balance
state-reversed = payout returned
state-rejected = no bonus
state-review = checked by a person

## Balance and history

balance-title = 💰 <b>Your bonuses</b>
balance-available = Available: <b>{ $amount }</b>
balance-held = Being paid: { $amount }
balance-paid = Paid so far: { $amount }
balance-empty = Nothing yet. Send your first receipt!
balance-receipts =
    { $count ->
        [one] { $count } receipt sent:
       *[other] { $count } receipts sent:
    }
balance-counts = { $accepted } accepted, { $rejected } without bonus, { $pending } under way.
history-title = 🧾 <b>Your receipts</b>
history-empty = No receipts yet. Send a photo of the first one!
history-more = There is more – turn the pages with the buttons.

## Settings

language-choose = 🌐 <b>Which language shall we speak?</b>
language-set = ✅ Fine, English from now on.
language-name = English
notifications-state-on = 🔔 <b>Reminders are on.</b> About your receipts and payouts I always write.
notifications-state-off = 🔕 <b>Reminders are off.</b> About your receipts and payouts I always write.
notifications-on-button = Turn on
notifications-off-button = Turn off
cancelled = All right, cancelled. You can send receipts.
nothing-to-cancel = There is nothing to cancel. You can send receipts.
forget-ask =
    ⚠️ <b>Delete your data?</b>
    Your phone number, chat address and receipt photos become unreadable for ever, bonuses that were not paid out cannot be claimed any more, and this account can no longer use the bot. The records of money stay without your name, as the law demands.
forget-yes-button = Yes, delete for ever
forget-no-button = No, keep it
forget-kept = All right, everything stays as it is.
forget-done = Done: your data is deleted for ever. Thank you for having been with us.

## Answers to the unexpected

unknown-command = I do not know { $command }. All that I can do is in /help.
text-unexpected = I understand photos of receipts and commands. Send a photo of a receipt or see /help.
content-unexpected = I cannot use a message like this. Send the receipt as a photo or as a JPEG, PNG or WebP file.
upload-too-large = The file is too large: I take up to { $limit } MB. Send the receipt as a photo or make the file smaller.
upload-type = This does not look like a photo. I take JPEG, PNG and WebP: send the receipt as one of them.
upload-broken = The file is damaged and could not be opened. Take a new photo and send it again.
upload-rate =
    { $seconds ->
        [one] Too many photos at once. Wait { $seconds } second and send this one again.
       *[other] Too many photos at once. Wait { $seconds } seconds and send this one again.
    }
upload-lost = Telegram did not hand over this file. Please send it again.
banned = Your account is blocked because the terms were broken. If that is a mistake, write to support.
forgotten = The data of this account was deleted at your wish, so it cannot be used any more.
refused = That did not work: { $code }. Try another way or see /help.
error = 😔 <b>Something went wrong on our side.</b> Your money and receipts are safe. Try again a little later; if it happens again, tell support the code <code>{ $code }</code>.

## For administrators

report-title = 📊 <b>Report of { $date }</b>
report-line = { $name }: { $value }
report-bad-date = I do not understand the date. Write it like this: /report 20.11.2026
report-users-total = Users in all
report-users-new = New
report-users-active = Active
report-receipts = Receipts
report-accepted = Accepted
report-rejected = Rejected
report-review = In review
report-paid-count = Payouts
report-paid-sum = Paid
report-credited-sum = Credited
report-failed-count = Failed payouts
report-reasons = <b>Reasons of rejection</b>
stats-title = 📈 <b>Now</b>
stats-unknown = Payouts being checked
find-usage = Write it like this: /find 1a2b3c4d-… (the receipt's full number)
find-none = There is no such receipt.

## Descriptions of commands

command-start = begin
command-help = help
command-balance = balance and totals
command-history = my receipts
command-change_phone = change the number
command-language = language
command-notifications = reminders
command-forget = delete my data
command-cancel = cancel what we are doing
