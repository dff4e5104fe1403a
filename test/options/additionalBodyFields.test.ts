import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { bytesOf } from '../kit/runNode';
import { runGenerate } from '../kit/localRuns';
import { inputImage } from '../stepfun-server/test-requests';

// An image server with the request shapes of vLLM-Omni's images API (docs.vllm.ai, "Image Generation
// API"): its own names for steps and guidance, no response_format but b64_json, no seed in the answer.

let server: Server;
let url: string;
let received: Array<{ body: Record<string, unknown>; headers: IncomingHttpHeaders }>;
let image: Buffer;

beforeAll(async () => {
	image = await inputImage(64, 48);
	server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
			received.push({ body, headers: request.headers });
			response.setHeader('Content-Type', 'application/json');
			response.end(
				JSON.stringify({ created: 1, data: [{ b64_json: image.toString('base64'), url: null }] }),
			);
		});
	}).listen(0, '127.0.0.1');
	await new Promise((resolve) => server.once('listening', resolve));
	url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
beforeEach(() => {
	received = [];
});
afterAll(() => {
	server.closeAllConnections();
	server.close();
});

test("a model of one's own takes fields of its own, as they are", async () => {
	const { items, error } = await runGenerate(
		{ url },
		{
			model: '=Qwen/Qwen-Image',
			size: '1328x1328',
			options: {
				seed: 42,
				negativePrompt: 'blurry',
				additionalBodyFields:
					'{ "num_inference_steps": 50, "guidance_scale": 4.0, "true_cfg_scale": 4.0 }',
			},
		},
	);
	expect(error?.message).toBeUndefined();
	expect(received[0].body).toEqual({
		model: 'Qwen/Qwen-Image',
		prompt: 'A red shoe',
		size: '1328x1328',
		seed: 42,
		negative_prompt: 'blurry',
		response_format: 'b64_json',
		num_inference_steps: 50,
		guidance_scale: 4,
		true_cfg_scale: 4,
	});
	expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
	expect(items[0].json).toMatchObject({ width: 64, height: 48, seed: null, finishReason: null });
	expect(items[0].json).not.toHaveProperty('estimatedCost');
});

test('additional fields may come from an expression as an object, and replace fields of the node', async () => {
	await runGenerate(
		{ url },
		{ options: { seed: 1, additionalBodyFields: '={{ $json.extra }}' } },
		{ items: [{ extra: { seed: 2, user: 'shop' } }] },
	);
	expect(received[0].body).toMatchObject({ seed: 2, user: 'shop' });
});

test.each(['[1]', 'steps: 5', '"text"', '5'])('%s is no object of fields', async (additional) => {
	const { error } = await runGenerate({ url }, { options: { additionalBodyFields: additional } });
	expect(error?.message).toBe("'Additional Body Fields' is not a JSON object");
	expect(received).toEqual([]);
});

test.each([{ n: 4 }, { n: '2' }])('%j would make images that nobody gets', async (additional) => {
	const { error } = await runGenerate(
		{ url },
		{ options: { additionalBodyFields: JSON.stringify(additional) } },
	);
	expect(error?.message).toBe("'Additional Body Fields' asks for several images with n");
	expect(error?.description).toContain("'Number of Images'");
	expect(received).toEqual([]);
});

test.each([{ n: 1 }, { n: null }])('%j goes along', async (additional) => {
	const { error } = await runGenerate(
		{ url },
		{ options: { additionalBodyFields: JSON.stringify(additional) } },
	);
	expect(error?.message).toBeUndefined();
	expect(received[0].body).toMatchObject(additional);
});

test("a header of one's own goes along, beside the key", async () => {
	const credential = {
		addCustomHeader: true,
		headerName: 'X-Gateway-Token',
		headerSecret: 'gateway secret',
	};
	await runGenerate({ url }, {}, { credential });
	await runGenerate({ url }, {}, { credential: { ...credential, addCustomHeader: false } });
	expect(received[0].headers).toMatchObject({
		'x-gateway-token': 'gateway secret',
		authorization: 'Bearer local-stepfun-key',
	});
	expect(received[1].headers).not.toHaveProperty('x-gateway-token');
	expect(received[1].headers.authorization).toBe('Bearer local-stepfun-key');
});
