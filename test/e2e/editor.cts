import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelsFor } from '../../nodes/StepFunImage/catalogue/models';
import { launchChromium } from '../editor/chromium.cts';
import { openEditor } from '../editor/editor.cts';
import { CREDENTIAL_TYPE, NODE_TYPE } from '../n8n/example.cts';
import { startN8n, type WorkflowFile } from '../n8n/instance.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import { useAgentTool } from './editor/agentTool.cts';
import { createCredential } from './editor/credential.cts';
import { EDIT_NODE, useEdit } from './editor/edit.cts';
import { GENERATE_NODE, PROMPT, useGenerate } from './editor/generate.cts';
import { createPictures } from './editor/pictures.cts';
import type { Session } from './editor/session.cts';
import { saveExecutions } from '../kit/savedExecutions.cts';
import type { Suite, TestContext } from './suite.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const NODE_NAME = 'StepFun Image';

/** What people type who look for a node like this one; the last brings it to the first place. */
const SEARCHES = [
	'image',
	'generate',
	'edit',
	'generate image',
	'create image',
	'edit photo',
	'AI image',
	'image generation',
	'draw',
	'illustration',
	'banner',
	'poster',
	'img2img',
	'remove background',
	'step-image',
	'文生图',
	'图片编辑',
	'阶跃',
	'balance',
	'stepfun',
];

/** What the node can do, as its list of actions names it. */
const ACTIONS = [GENERATE_NODE, EDIT_NODE, 'Create image from image', 'Get account balance'];

const TRIGGER = { inList: 'Trigger manually', onCanvas: 'When clicking' };

async function setUp(testContext: TestContext): Promise<Session> {
	const { installation, tarball, folder, cleanUp, log } = testContext;
	const browser = await launchChromium();
	cleanUp(() => browser.close());
	const key = makeKey();
	const server = await startStepFunServer({ keys: [key] });
	cleanUp(() => server.close());
	const filesFolder = join(folder, 'pictures');
	await mkdir(filesFolder);
	log(`starting n8n, for Chromium ${browser.version()}`);
	const n8n = await startN8n({ installation, tarball, userFolder: folder, filesFolder });
	cleanUp(() => n8n.stop());
	const editor = await openEditor(browser, n8n);
	const shoot = createPictures(editor, process.env.E2E_PICTURES);
	return { editor, n8n, server, key, wrongKey: makeKey(), log, shoot };
}

/** Opens the list of nodes for one that follows another, and in it the node's actions. */
async function openActions({ editor, log, shoot }: Session, after: string, searches: string[]) {
	await editor.openNodeListAfter(after);
	for (const text of searches) {
		const { place, of } = await editor.searchNodes(text, NODE_NAME);
		log(`the search for "${text}" shows the node at place ${place} of ${of}`);
	}
	await shoot('search', editor.nodeList);
	await editor.chooseInNodeList(NODE_NAME);
	await editor.nodeList.getByText(GENERATE_NODE, { exact: true }).waitFor();
}

async function checkActions({ editor, shoot }: Session): Promise<void> {
	const listed = await editor.readNodeList();
	const missing = ACTIONS.filter((action) => !listed.includes(action));
	deepStrictEqual(missing, [], `n8n lists only ${listed.join(', ')}`);
	await shoot('node-actions', editor.nodeList);
}

/** Adds the node with one of its actions. n8n chooses the only credential there is. */
async function chooseAction({ editor }: Session, action: string): Promise<void> {
	await editor.chooseInNodeList(action);
	await editor.panel.waitFor();
	strictEqual(await editor.readCredential(), 'StepFun account');
}

/** Runs what was clicked together as a whole. */
async function executeAll({ editor, server, shoot }: Session): Promise<void> {
	const billed = server.billed.length;
	await editor.executeWorkflow();
	const operations = server.billed.slice(billed).map(({ operation }) => operation);
	deepStrictEqual(operations, ['generate', 'edit']);
	await shoot('canvas', editor.page.getByTestId('canvas'));
}

/** Exports the workflow as people share it. Fails unless it names the credential and holds nothing of it. */
async function exportWorkflow({ editor }: Session, folder: string): Promise<void> {
	const { name, bytes } = await editor.exportWorkflow();
	await mkdir(folder, { recursive: true });
	await writeFile(join(folder, name), bytes);
	const { nodes } = JSON.parse(bytes.toString('utf8')) as WorkflowFile;
	const ours = nodes.filter(({ type }) => type === NODE_TYPE);
	deepStrictEqual(ours.map((node) => node.name).sort(), [EDIT_NODE, GENERATE_NODE].sort());
	for (const { credentials = {} } of ours) {
		deepStrictEqual(Object.keys(credentials), [CREDENTIAL_TYPE]);
		deepStrictEqual(Object.keys(credentials[CREDENTIAL_TYPE]).sort(), ['id', 'name']);
	}
}

async function clickThrough(session: Session): Promise<void> {
	const { editor } = session;
	await createCredential(session);

	await editor.startWorkflow(TRIGGER.inList);
	await openActions(session, TRIGGER.onCanvas, SEARCHES);
	await checkActions(session);
	await chooseAction(session, GENERATE_NODE);
	await useGenerate(session);
	await editor.closePanel();

	await openActions(session, GENERATE_NODE, SEARCHES.slice(-1));
	await chooseAction(session, EDIT_NODE);
	const [{ capabilities }] = modelsFor('generate');
	const landscape = capabilities.sizes?.find(({ orientation }) => orientation === 'Landscape');
	ok(landscape);
	await useEdit(session, landscape);
	await editor.closePanel();
	await executeAll(session);
}

async function run(testContext: TestContext): Promise<void> {
	const { folder, log } = testContext;
	const session = await setUp(testContext);
	const { editor, n8n, server, key, wrongKey } = session;
	try {
		await clickThrough(session);
		await exportWorkflow(session, join(folder, 'exports'));
		await editor.startWorkflow(TRIGGER.inList);
		await useAgentTool(session, TRIGGER.onCanvas, SEARCHES);
	} catch (error) {
		const file = join(tmpdir(), 'stepfun-image-editor-failure.png');
		await editor.page.screenshot({ path: file }).catch(() => undefined);
		log(`what the window showed at the failure: ${file}`);
		throw error;
	}
	const executions = await saveExecutions(n8n, join(folder, 'exports'));
	await editor.page.close();
	await n8n.stop();
	ok(executions > 0, 'n8n kept no execution');
	const control = { [join(folder, '.n8n')]: PROMPT };
	const searched = await checkKeyIsNowhere(key, [folder], [server], control);
	await checkKeyIsNowhere(wrongKey, [folder], [server], control);
	log(
		`both keys are in none of ${searched} files, the export and ${executions} executions among them`,
	);
}

/**
 * n8n's editor in a real browser, from an empty canvas to a workflow that runs. With a folder's name in
 * E2E_PICTURES, it leaves a picture of each step there, light and dark.
 */
export const editorSuite: Suite = {
	title: 'a person sets up the credential, Generate and Edit in the editor, and runs them',
	run,
};
