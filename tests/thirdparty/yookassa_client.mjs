// Drives the simulated YooKassa with a TypeScript library that others wrote, as a second opinion beside the provider's own.
//
//   node yookassa_client.mjs API_URL SANDBOX_URL SHOP_ID SHOP_SECRET GATEWAY_ID GATEWAY_SECRET FOLDER_WITH_NODE_MODULES
//
// The library knows no payouts, so their notifications are only parsed. Exit status 0 only if every check passes.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import path from 'node:path';

const [apiUrl, sandboxUrl, shopId, shopSecret, gatewayId, gatewaySecret, folder] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), 'package.json'));
const library = require('@webzaytsev/yookassa-ts-sdk');
const DEADLINE = 15_000;

let passed = 0;
let failed = 0;

function same(what, seen, wanted) {
    if (isDeepStrictEqual(seen, wanted)) {
        passed += 1;
        console.log(`ok   ${what}`);
    } else {
        failed += 1;
        console.log(`FAIL ${what}: ${JSON.stringify(seen)}`);
    }
}

/** Checks that a call is refused with this code, and gives the library's error. */
async function refused(what, code, call) {
    try {
        const result = await call();
        same(what, result, code);
        return {};
    } catch (error) {
        // The library keeps the code as the error's name and the description as its message, and drops the parameter.
        same(what, error.name, code);
        return error;
    }
}

async function control(route, body) {
    const answer = await fetch(`${sandboxUrl}_sandbox/yookassa/${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
    });
    if (!answer.ok) {
        throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
    }
    return answer.json();
}

const fault = (method, action, times = 1) => control('faults', { rules: [{ method, action, times }] });
const rub = (value) => ({ value, currency: 'RUB' });
const payment = (value, capture, operation) => ({
    amount: rub(value),
    capture,
    confirmation: { type: 'redirect', return_url: 'https://shop.example/return' },
    description: 'Balance top-up',
    metadata: { operation_id: operation },
});

const bodies = [];
const inbox = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
        bodies.push(JSON.parse(text));
        response.writeHead(200).end();
    });
});

async function payments(sdk) {
    const body = payment('100.00', true, 'ts-1');
    const made = await sdk.payments.create(body, 'ts-key-1');
    same('a payment is pending', [made.status, made.paid, made.amount], ['pending', false, rub('100.00')]);
    same('it leads to a page', made.confirmation.confirmation_url.endsWith(made.id), true);
    same('a replay is the same payment', (await sdk.payments.create(body, 'ts-key-1')).id, made.id);
    await control(`payments/${made.id}/pay`, {});
    const paid = await sdk.payments.load(made.id);
    same('it is paid', [paid.status, paid.paid, paid.income_amount], ['succeeded', true, rub('96.50')]);

    const held = await sdk.payments.create(payment('60.00', false, 'ts-2'), 'ts-key-2');
    await control(`payments/${held.id}/pay`, {});
    same('money is on hold', (await sdk.payments.load(held.id)).status, 'waiting_for_capture');
    const part = await sdk.payments.capture(held.id, { amount: rub('25.50') }, 'ts-key-3');
    same('a part is captured', [part.status, part.amount], ['succeeded', rub('25.50')]);
    const other = await sdk.payments.create(payment('60.00', false, 'ts-3'), 'ts-key-4');
    await control(`payments/${other.id}/pay`, {});
    const ended = await sdk.payments.cancel(other.id, 'ts-key-5');
    same('a hold is canceled', ended.cancellation_details, { party: 'merchant', reason: 'canceled_by_merchant' });
    const all = await sdk.payments.list({ limit: 1 });
    same('the library walks every page', all.map((one) => one.id), [other.id, held.id, made.id]);
    const some = await sdk.payments.list({ status: 'canceled' });
    same('a list is filtered', some.map((one) => one.id), [other.id]);
    return made.id;
}

async function refunds(sdk, paymentId) {
    const refund = await sdk.refunds.create({ payment_id: paymentId, amount: rub('40.00') }, 'ts-key-10');
    same('a refund is pending', refund.status, 'pending');
    await control(`refunds/${refund.id}/settle`, { end: 'succeeded' });
    same('it succeeds', (await sdk.refunds.load(refund.id)).status, 'succeeded');
    same('it is listed', (await sdk.refunds.list({ payment_id: paymentId })).length, 1);
    const too = { payment_id: paymentId, amount: rub('60.01') };
    const error = await refused('no more than is left', 'invalid_request', () => sdk.refunds.create(too, 'ts-key-11'));
    same('with words', error.message.length > 0, true);
}

async function payouts() {
    const authorization = `Basic ${Buffer.from(`${gatewayId}:${gatewaySecret}`).toString('base64')}`;
    for (const [key, end] of [['ts-key-20', { end: 'succeeded' }], ['ts-key-21', { end: 'canceled', reason: 'general_decline' }]]) {
        const answer = await fetch(`${apiUrl}/payouts`, {
            method: 'POST',
            headers: { authorization, 'content-type': 'application/json', 'idempotence-key': key },
            body: JSON.stringify({ amount: rub('5.00'), payout_token: 'token' }),
        });
        await control(`payouts/${(await answer.json()).id}/settle`, end);
    }
}

async function errors(sdk, make) {
    const body = payment('5.00', true, 'ts-errors');
    await sdk.payments.create(body, 'ts-key-30');
    const other = { ...body, amount: rub('6.00') };
    const error = await refused('same key, other body: 400', 'invalid_request', () => sdk.payments.create(other, 'ts-key-30'));
    same('in the provider\'s words', error.message, 'Idempotence key duplicated');
    await refused('unknown id: 404', 'not_found', () => sdk.payments.load('0'.repeat(36)));
    await refused('a wrong key: 401', 'invalid_credentials', () => make('wrong', 0).payments.create(body, 'ts-key-31'));
    await refused('the gateway is no shop: 403', 'forbidden', () => make(gatewaySecret, 0, gatewayId).payments.create(body, 'k'));
    const hasty = make(shopSecret, 0);
    await fault('payments.create', { do: 'too_many_requests', retry_after: 1800 });
    await refused('429', 'too_many_requests', () => hasty.payments.create(body, 'ts-key-32'));
    await fault('payments.create', { do: 'http_after', status: 500 });
    await refused('500 after the commit', 'internal_server_error', () => hasty.payments.create(body, 'ts-key-33'));
    await fault('payments.create', { do: 'drop_after' });
    const patient = make(shopSecret, 3);
    const survived = await patient.payments.create(body, 'ts-key-33');
    const again = await patient.payments.create(body, 'ts-key-33');
    same('the library\'s own repeat finds the same payment', again.id, survived.id);
}

async function notices() {
    await control('clock', { advance_seconds: 10 });
    const end = Date.now() + DEADLINE;
    while (bodies.length < 8 && Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const seen = bodies.map((body) => library.parseNotification(body).event).sort();
    const wanted = ['payment.canceled', 'payment.succeeded', 'payment.succeeded', 'payment.waiting_for_capture',
        'payment.waiting_for_capture', 'payout.canceled', 'payout.succeeded', 'refund.succeeded'];
    same('every event came', seen, wanted);
    for (const body of bodies) {
        const event = library.parseNotification(body);
        same(`${event.event} is parsed`, event.event.endsWith(event.object.status), true);
    }
}

async function main() {
    const make = (secret, retries, id = shopId) =>
        library.YooKassa({ shop_id: id, secret_key: secret, endpoint: apiUrl, retries, maxRPS: 50 }, true);
    await new Promise((resolve) => inbox.listen(0, '127.0.0.1', resolve));
    await control('clock', { stopped: true });
    for (const side of ['shop', 'gateway']) {
        await control('webhook', { side, url: `http://127.0.0.1:${inbox.address().port}/hook` });
    }
    const sdk = make(shopSecret, 0);
    const paymentId = await payments(sdk);
    await refunds(sdk, paymentId);
    await payouts();
    await notices();
    await errors(sdk, make);
    console.log(`${passed} passed, ${failed} failed`);
    return failed ? 1 : 0;
}

main().then((code) => process.exit(code), (error) => {
    console.error(error);
    process.exit(1);
});
