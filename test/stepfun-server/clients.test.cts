import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { DallEAPIWrapper } from '@langchain/openai';
import { generateImage } from 'ai';
import OpenAI6, { toFile as toFile6 } from 'openai';
import OpenAI7, { toFile as toFile7 } from 'openai-7';
import { LOCAL_API_KEY, startStepFunServer, type StepFunServer } from './server.cts';
import { decoded, inputImage } from './testRequests.cts';

// Clients that people use send fields that StepFun's documentation says nothing about. Here they have to get their
// image, and the server's log has to name those fields.

const MODEL = 'step-image-edit-2';
const PROMPT = 'a red fox in the snow';

let server: StepFunServer;
let input: Buffer;

beforeAll(async () => {
	server = await startStepFunServer();
	input = await inputImage(120, 80);
});
beforeEach(() => server.reset());
afterAll(() => server.close());

const lastUnknown = () => server.requests.at(-1)?.unknown;

describe('openai SDK', () => {
	// The parameters of both are the same here; their types are not, though.
	const clients = {
		6: { client: new OpenAI6({ apiKey: LOCAL_API_KEY, baseURL: 'http://unset' }), toFile: toFile6 },
		7: {
			client: new OpenAI7({ apiKey: LOCAL_API_KEY, baseURL: 'http://unset' }) as unknown as OpenAI6,
			toFile: toFile7 as unknown as typeof toFile6,
		},
	};

	test.each([6, 7] as const)('version %i generates and edits', async (version) => {
		const { client, toFile } = clients[version];
		const local = client.withOptions({ baseURL: server.url });
		const generated = await local.images.generate({
			model: MODEL,
			prompt: PROMPT,
			size: '1024x1024',
			n: 1,
			quality: 'high',
			response_format: 'b64_json',
		});
		const bytes = Buffer.from(generated.data?.[0].b64_json ?? '', 'base64');
		expect(await decoded(bytes)).toEqual({ format: 'png', width: 1024, height: 1024 });
		expect(lastUnknown()).toEqual(['quality']);

		const edited = await local.images.edit({
			model: MODEL,
			prompt: PROMPT,
			image: await toFile(input, 'input.png', { type: 'image/png' }),
			n: 1,
			response_format: 'b64_json',
		});
		const editedBytes = Buffer.from(edited.data?.[0].b64_json ?? '', 'base64');
		expect(await decoded(editedBytes)).toEqual({ format: 'png', width: 120, height: 80 });
		expect(lastUnknown()).toEqual(['n']);
	});
});

describe('Vercel AI SDK', () => {
	const model = () =>
		createOpenAICompatible({
			name: 'stepfun',
			apiKey: LOCAL_API_KEY,
			baseURL: server.url,
		}).imageModel(MODEL);

	test('generates, with a seed among the provider options', async () => {
		const { image } = await generateImage({
			model: model(),
			prompt: PROMPT,
			size: '768x1360',
			providerOptions: { stepfun: { seed: 7 } },
		});
		expect(await decoded(Buffer.from(image.uint8Array))).toMatchObject({ width: 1360 });
		expect(server.billed).toMatchObject([{ operation: 'generate', seed: 7 }]);
		expect(lastUnknown()).toBeUndefined();
	});

	test('edits, although it sends n', async () => {
		const { image } = await generateImage({
			model: model(),
			prompt: { text: PROMPT, images: [input] },
			providerOptions: { stepfun: { response_format: 'b64_json' } },
		});
		expect(await decoded(Buffer.from(image.uint8Array))).toMatchObject({ width: 120, height: 80 });
		expect(server.requests.at(-1)?.fields).toMatchObject({ n: '1' });
		expect(lastUnknown()).toEqual(['n']);
	});
});

describe('LangChain', () => {
	test.each(['url', 'b64_json'] as const)('gets a %s, although it sends style', async (format) => {
		const tool = new DallEAPIWrapper({
			model: MODEL,
			apiKey: LOCAL_API_KEY,
			baseUrl: server.url,
			dallEResponseFormat: format,
		});
		const result = (await tool.invoke(PROMPT)) as string;
		const bytes =
			format === 'url'
				? Buffer.from(await (await fetch(result)).arrayBuffer())
				: Buffer.from(result, 'base64');
		expect(await decoded(bytes)).toMatchObject({ width: 1024, height: 1024 });
		expect(lastUnknown()).toEqual(['style', 'quality']);
	});
});
