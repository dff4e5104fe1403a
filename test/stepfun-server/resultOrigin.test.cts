import { startStepFunServer, type ResultFault, type StepFunServer } from './server.cts';
import { decoded, generate } from './testRequests.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => {
	server.setResultFaults([]);
	server.reset();
});

afterAll(() => server.close());

async function resultUrl(target = server): Promise<string> {
	const changes = { model: 'step-2x-large', size: '256x256', response_format: 'url' };
	return (await generate(target, changes)).body.data?.[0].url ?? '';
}

async function download(fault?: ResultFault): Promise<Response> {
	const url = await resultUrl();
	if (fault !== undefined) server.setResultFaults([{ fault }]);
	return await fetch(url, { redirect: 'manual' });
}

test('serves the picture from another origin', async () => {
	const response = await download();
	expect(response.headers.get('content-type')).toBe('image/png');
	const picture = Buffer.from(await response.arrayBuffer());
	expect(picture.equals(server.sentImages[0])).toBe(true);
	expect(server.images.get(server.billed[0].id)?.equals(picture)).toBe(true);
	expect(await decoded(picture)).toEqual({ format: 'png', width: 256, height: 256 });
	expect(server.resultOrigin).not.toBe(server.origin);
	expect(server.resultRequests).toMatchObject([{ status: 200, hadAuthorization: false }]);
});

test('refuses and records an Authorization header', async () => {
	const headers = { Authorization: 'Bearer local-stepfun-key' };
	const response = await fetch(await resultUrl(), { headers });
	expect(response.status).toBe(400);
	expect(server.resultRequests).toMatchObject([
		{ status: 400, hadAuthorization: true, headers: { authorization: headers.Authorization } },
	]);
});

test('404 for an unknown file, 405 for another method', async () => {
	expect((await fetch(`${server.resultOrigin}/image_gen/1/x.png`)).status).toBe(404);
	expect((await fetch(await resultUrl(), { method: 'POST' })).status).toBe(405);
});

test('403 once the URL has expired', async () => {
	const brief = await startStepFunServer({ urlLifetimeMs: 80, drawing: 'once' });
	const url = await resultUrl(brief);
	const early = await fetch(url);
	await new Promise((resolve) => setTimeout(resolve, 100));
	const late = await fetch(url);
	await brief.close();
	expect([early.status, late.status]).toEqual([200, 403]);
});

test('fault: status', async () => {
	const response = await download({ status: 503, retryAfter: 2, body: 'busy' });
	expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
	expect(await response.text()).toBe('busy');
});

test('fault: only the nth download', async () => {
	const url = await resultUrl();
	server.setResultFaults([{ when: { nth: 1 }, fault: { status: 500 } }]);
	expect([(await fetch(url)).status, (await fetch(url)).status]).toEqual([500, 200]);
});

test.each<[string, ResultFault]>([
	['after the headers', { drop: 'after-headers' }],
	['in the body', { drop: 'mid-body' }],
	['by a cut', { cutBody: true }],
	['with a Content-Length too large', { wrongContentLength: 10 }],
])('fault: broken off %s', async (_, fault) => {
	const response = await download(fault);
	expect(response.status).toBe(200);
	await expect(response.arrayBuffer()).rejects.toThrow('terminated');
});

test('fault: a Content-Length too small', async () => {
	const response = await download({ wrongContentLength: -10 });
	const whole = server.sentImages[0].length;
	expect(response.headers.get('content-length')).toBe(String(whole - 10));
	const received = await response.arrayBuffer().then(
		({ byteLength }) => byteLength,
		() => 0,
	);
	expect(received).toBeLessThan(whole);
});

test('fault: no response', async () => {
	await expect(download({ drop: 'before-response' })).rejects.toThrow('fetch failed');
	const url = await resultUrl();
	server.setResultFaults([{ fault: { hang: true } }]);
	await expect(fetch(url, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
		name: 'TimeoutError',
	});
});

test('fault: not an image, an empty body, another Content-Type', async () => {
	expect(await (await download({ notAnImage: true })).text()).toMatch(/^This is text/);
	expect((await (await download({ emptyBody: true })).arrayBuffer()).byteLength).toBe(0);
	const renamed = await download({ contentType: 'application/octet-stream' });
	expect(renamed.headers.get('content-type')).toBe('application/octet-stream');
	expect((await renamed.arrayBuffer()).byteLength).toBe(server.sentImages[0].length);
});

test('fault: redirect', async () => {
	const response = await download({ redirectTo: 'http://127.0.0.1:9/other.png' });
	expect(response.status).toBe(302);
	expect(response.headers.get('location')).toBe('http://127.0.0.1:9/other.png');
});

test('fault: delay', async () => {
	const start = performance.now();
	expect((await download({ delayMs: 120 })).status).toBe(200);
	expect(performance.now() - start).toBeGreaterThan(110);
});

test('fault: a body that never ends', async () => {
	const reader = (await download({ endlessBody: true })).body?.getReader();
	let received = 0;
	while (received < 5_000_000) received += (await reader?.read())?.value?.length ?? 0;
	await reader?.cancel();
	expect(received).toBeGreaterThan(server.sentImages[0].length);
});
