import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { withCleanUp } from '../n8n/cleanUp.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import { CREDENTIAL_TYPE, prepareExample } from '../n8n/example.cts';
import { installN8n } from '../n8n/install.cts';
import { startN8n } from '../n8n/instance.cts';
import { packPackage } from '../package/pack.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import { chain, step, TRIGGER } from '../kit/workflowBuilder.cts';
import { launchChromium } from './chromium.cts';
import { openEditor, type Editor } from './editor.cts';
import { savePicture } from './savePicture.cts';

const REPOSITORY = resolve(__dirname, '../..');
const PICTURES_FOLDER = join(REPOSITORY, 'docs/images');

/** What people type who look for a node like this one. */
const SEARCHES = ['image', 'generate', 'edit', 'stepfun'];

/** As StepFun's documentation gives the words of moderation. */
const REFUSED = JSON.stringify({
	error: { message: 'The content did not pass moderation', type: 'censorship_blocked' },
});

/** Where the README says that the local server listens. */
const SERVER_PORT = 8787;

/** The list of nodes is as high as the window; what it found is in its upper part. */
const NODE_LIST_PART = { maxHeight: 480 };

/** Names a picture and writes it into docs/images/. */
type Save = (name: string, screenshot: Buffer) => Promise<void>;

/** A workflow to build one's first own node in. */
const EMPTY_WORKFLOW = chain('My first picture', [
	step("When clicking 'Execute workflow'", TRIGGER.type, 1),
]);

/** The example, run in the editor: the canvas and the panels of both operations. */
async function shootExample(editor: Editor, save: Save, log: (line: string) => void) {
	await editor.executeWorkflow();
	await save('canvas', await editor.shootCanvas());

	await editor.openNode('Generate Photo');
	await editor.viewOutputAsJson();
	await save('output-json', await editor.shootPanel());
	const { width, height } = await editor.viewFirstImage('output');
	log(`The first generated picture, as the browser draws it: ${width} x ${height}`);
	await save('panel-generate', await editor.shootPanel());
	await editor.useTheme('dark');
	await save('panel-generate-dark', await editor.shootPanel());
	await editor.useTheme('light');
	await editor.closePanel();

	await editor.openNode('Put Into Scene');
	await editor.viewFirstImage('input');
	await editor.viewFirstImage('output');
	await save('panel-edit', await editor.shootPanel());
	await editor.closePanel();
}

/** The node found, added, set up and refused, as in someone's first minutes with it. */
async function shootFirstUse(
	editor: Editor,
	save: Save,
	log: (line: string) => void,
	refuse: () => void,
) {
	for (const text of SEARCHES) {
		const { place, of } = await editor.searchNodes(text, 'StepFun Image');
		log(`The search for "${text}" shows the node at place ${place} of ${of}`);
	}
	await save('node-search', await editor.shootPart(editor.nodeList, NODE_LIST_PART));
	await editor.chooseInNodeList('StepFun Image');
	await editor.nodeList.getByText('Generate image', { exact: true }).waitFor();
	await save('node-actions', await editor.shootPart(editor.nodeList, NODE_LIST_PART));
	await editor.chooseInNodeList('Generate image');
	await editor.panel.waitFor();

	await editor.fill('prompt', 'A red running shoe on white marble, soft morning light');
	await editor.choose('size', 'Landscape 16:9');
	for (const option of ['Steps', 'CFG Scale', 'Negative Prompt']) await editor.addOption(option);
	await editor.fill('negativePrompt', 'blurry, watermark');
	await editor.page.getByText('The negative prompt has no effect').scrollIntoViewIfNeeded();
	await save('panel-options', await editor.shootPanel());

	// Without the notice, which has nothing to do with the error.
	await editor.fill('cfgScale', '3');
	refuse();
	await editor.page.getByTestId('node-execute-button').click();
	await editor.panel.getByTestId('node-error-message').waitFor();
	log(`A refused prompt: ${await editor.panel.getByTestId('node-error-message').innerText()}`);
	await save('error', await editor.shootPanel());
	await editor.closePanel();
}

/** The credential's dialog, with n8n's own test of a good key, a wrong key and a wrong address. */
async function shootCredential(
	editor: Editor,
	save: Save,
	{ baseUrl, apiKey }: { baseUrl: string; apiKey: string },
) {
	const shoot = async (name: string, expected: RegExp) => {
		const text = await editor.saveCredential();
		if (!expected.test(text)) throw new Error(`${name} shows no ${expected}: ${text}`);
		await save(name, await editor.shootPart(editor.credentialDialog));
	};
	await editor.openNewCredential('StepFun API');
	await editor.choose('service', 'Custom');
	await editor.fill('baseUrl', baseUrl);
	await editor.fill('apiKey', 'not-a-key');
	await shoot('credential-wrong-key', /The API key was not accepted/);
	await editor.fill('apiKey', apiKey);
	await editor.fill('baseUrl', new URL(baseUrl).origin);
	await shoot('credential-wrong-address', /There is no \/models at http/);
	await editor.fill('baseUrl', baseUrl);
	await shoot('credential', /Connection tested successfully/);
}

async function main(): Promise<void> {
	const startedAt = Date.now();
	const log = (line: string) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(3)} s] ${line}`);

	const workFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-editor-'));
	await withCleanUp(async (cleanUp) => {
		cleanUp(() => rm(workFolder, { recursive: true, force: true, maxRetries: 3 }));
		const browser = await launchChromium();
		cleanUp(() => browser.close());
		log(`Chromium ${browser.version()}`);

		const installation = await installN8n(log);
		const tarball = await packPackage(workFolder);
		const server = await startStepFunServer({ port: SERVER_PORT });
		cleanUp(() => server.close());
		const filesFolder = join(workFolder, 'pictures');
		await mkdir(filesFolder);

		log('Starting n8n');
		const n8n = await startN8n({ installation, tarball, userFolder: workFolder, filesFolder });
		cleanUp(() => n8n.stop());
		const access = { baseUrl: server.url, apiKey: LOCAL_API_KEY };
		const credential = await createStepFunCredential(n8n, server, {}, 'StepFun');
		const exampleId = await n8n.createWorkflow(
			await prepareExample('product-photos', {
				credentials: { [CREDENTIAL_TYPE]: credential },
				filesFolder,
			}),
		);
		const emptyId = await n8n.createWorkflow(EMPTY_WORKFLOW);

		await mkdir(PICTURES_FOLDER, { recursive: true });
		const save: Save = async (name, screenshot) =>
			log(await savePicture(join(PICTURES_FOLDER, `${name}.png`), screenshot));
		const editor = await openEditor(browser, n8n);
		try {
			await editor.openWorkflow(exampleId);
			await shootExample(editor, save, log);
			await editor.openWorkflow(emptyId);
			const refuse = () => server.setFaults([{ times: 1, fault: { status: 451, body: REFUSED } }]);
			await shootFirstUse(editor, save, log, refuse);
			await shootCredential(editor, save, access);
		} catch (error) {
			const file = join(tmpdir(), 'stepfun-image-editor-failure.png');
			await editor.page.screenshot({ path: file }).catch(() => undefined);
			log(`What the window showed at the failure: ${file}`);
			throw error;
		}
	});
}

main().catch((error: Error) => {
	console.error(`\nThe screenshots failed. ${error.message}`);
	process.exitCode = 1;
});
