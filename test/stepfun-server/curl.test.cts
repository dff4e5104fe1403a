import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LOCAL_API_KEY, startStepFunServer, type StepFunServer } from './server.cts';
import { decoded, inputImage, pictureOf, type Reply } from './testRequests.cts';

const run = promisify(execFile);

let server: StepFunServer;
let folder: string;

beforeAll(async () => {
	server = await startStepFunServer();
	folder = await mkdtemp(join(tmpdir(), 'stepfun-curl-'));
	await writeFile(join(folder, 'input.webp'), await inputImage(320, 240, 'webp'));
	await writeFile(
		join(folder, 'test_cref_input02_resized.webp'),
		await inputImage(200, 300, 'webp'),
	);
	await writeFile(join(folder, 'cat.jpg'), await inputImage(400, 300, 'jpeg'));
});

beforeEach(() => server.reset());

afterAll(async () => {
	await server.close();
	await rm(folder, { recursive: true });
});

/** Runs a command of StepFun's documents as it stands there, only with the host exchanged. */
async function runDocumented(command: string): Promise<Reply['body']> {
	const { stdout } = await run(
		'bash',
		['-c', command.replace('https://api.stepfun.com', server.origin)],
		{
			cwd: folder,
			env: { ...process.env, STEP_API_KEY: LOCAL_API_KEY, no_proxy: '127.0.0.1' },
			maxBuffer: 64 * 1024 * 1024,
		},
	);
	return JSON.parse(stdout) as Reply['body'];
}

async function dimensions(body: Reply['body']): Promise<string> {
	const { format, width, height } = await decoded(pictureOf({ body } as Reply));
	return `${format} ${width}x${height}`;
}

test('text to image with step-image-edit-2', async () => {
	const body = await runDocumented(`curl https://api.stepfun.com/v1/images/generations \\
      -H "Content-Type: application/json" \\
      -H "Authorization: Bearer $STEP_API_KEY" \\
      -d '{
        "model": "step-image-edit-2",
        "prompt": "采菊东篱下，悠然见南山",
        "response_format": "b64_json",
        "cfg_scale": 1.0,
        "steps": 8,
        "seed": 1,
        "text_mode": true
      }'`);
	expect(body.data).toEqual([
		{ seed: 1, finish_reason: 'success', b64_json: expect.any(String) as string },
	]);
	expect(await dimensions(body)).toBe('png 1024x1024');
	expect(server.requests[0]).toMatchObject({ method: 'POST', status: 200, billed: true });
	expect(server.requests[0].json).toMatchObject({ prompt: '采菊东篱下，悠然见南山' });
});

test.each([
	{
		document: 'the model page',
		file: 'input.webp',
		prompt: '让图中角色骑自行车，手上举个牌子写着"沙特阿拉伯"',
		size: 'png 320x240',
	},
	{
		document: 'the guide',
		file: 'test_cref_input02_resized.webp',
		prompt: '让图中角色骑自行车，手上举个牌子写着"沙特阿拉伯"',
		size: 'png 200x300',
	},
	{
		document: 'the API reference',
		file: 'test_cref_input02_resized.webp',
		prompt: '让图中角色骑自行车,手上举个牌子写着"沙特阿拉伯"',
		size: 'png 200x300',
	},
])('image edit with step-image-edit-2 from $document', async ({ file, prompt, size }) => {
	const body = await runDocumented(`curl -X POST "https://api.stepfun.com/v1/images/edits" \\
      -H "Authorization: Bearer $STEP_API_KEY" \\
      -F 'model=step-image-edit-2' \\
      -F 'image=@${file}' \\
      -F 'prompt=${prompt}' \\
      -F 'response_format=b64_json' \\
      -F 'cfg_scale=1.0' \\
      -F 'steps=8' \\
      -F 'seed=1' \\
      -F 'text_mode=true'`);
	expect(body.data?.[0]).toMatchObject({ seed: 1, finish_reason: 'success' });
	expect(await dimensions(body)).toBe(size);
	expect(server.requests[0].fields).toEqual({
		model: 'step-image-edit-2',
		prompt,
		response_format: 'b64_json',
		cfg_scale: '1.0',
		steps: '8',
		seed: '1',
		text_mode: 'true',
	});
	expect(server.requests[0].file).toMatchObject({ name: file });
});

test('image edit with step-1x-edit and a result URL', async () => {
	const body = await runDocumented(`curl -X POST "https://api.stepfun.com/v1/images/edits" \\
-H "Authorization: Bearer $STEP_API_KEY" \\
-F "model=step-1x-edit" \\
-F "image=@cat.jpg" \\
-F "response_format=url" \\
-F 'prompt=变成一只英短'`);
	const url = body.data?.[0].url ?? '';
	expect(url.startsWith(`${server.resultOrigin}/`)).toBe(true);
	const picture = Buffer.from(await (await fetch(url)).arrayBuffer());
	expect(picture.equals(server.sentImages[0])).toBe(true);
	const { width, height } = await decoded(picture);
	expect(Math.abs(width / height - 4 / 3)).toBeLessThan(0.02);
	expect(Math.abs((width * height) / (512 * 512) - 1)).toBeLessThan(0.03);
	expect(server.requests[0].file).toMatchObject({ name: 'cat.jpg', type: 'image/jpeg' });
});
