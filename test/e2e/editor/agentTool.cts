import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import type { Session } from './session.cts';

const AGENT = 'AI Agent';

/** What is used of a field in the page; this project has no types of the browser. */
interface Scrollable {
	scrollHeight: number;
	clientHeight: number;
}

/** What n8n calls the node where an agent uses it. */
const TOOL_NAME = 'StepFun Image Tool';

/**
 * Adds an agent to the canvas, looks for the node among the tools that n8n offers it, and adds it.
 *
 * @param trigger the node on the canvas that the agent follows
 * @param searches what people type to find it; the last one brings it to the first place
 */
export async function useAgentTool(
	session: Session,
	trigger: string,
	searches: string[],
): Promise<void> {
	const { editor, log, shoot } = session;
	await editor.openNodeListAfter(trigger);
	await editor.searchNodes(AGENT, AGENT);
	await editor.chooseInNodeList(AGENT);
	await editor.panel.waitFor();
	await editor.closePanel();

	await editor.openToolListOf(AGENT);
	for (const text of searches) {
		const { place, of } = await editor.searchNodes(text, TOOL_NAME);
		log(`the tool search for "${text}" shows the node at place ${place} of ${of}`);
	}
	await shoot('tool-search', editor.nodeList);
	await editor.chooseInNodeList(TOOL_NAME);
	await editor.panel.waitFor();
	strictEqual(await editor.readCredential(), 'StepFun account');
	await checkGenerate(session);
	await checkEdit(session);
}

async function checkGenerate({ editor, shoot }: Session): Promise<void> {
	deepStrictEqual(await editor.readFieldLabels(), [
		'Credential',
		'Tool Description',
		'Resource',
		'Operation',
		'Model',
		'Prompt',
		'Size',
		'Output',
		'Options',
	]);
	const description = await editor.readField('toolDescription');
	match(
		description,
		/^Generates an image .* returns a link to it\. Each call may cost money: .* about \$/,
	);
	deepStrictEqual(await editor.readChoices('output'), ['Image URL', 'Temporary Link']);
	await shoot('tool-generate');
}

/** Switches to Edit, which has a description of its own, and back: a description of the user's own stays. */
async function checkEdit({ editor, shoot }: Session): Promise<void> {
	await editor.choose('operation', 'Edit');
	await editor.field('inputUrl').waitFor();
	match(await editor.readField('toolDescription'), /^Edits the image at a URL/);
	const description = editor.field('toolDescription').locator('textarea');
	const { scrollHeight, clientHeight } = await description.evaluate((element: Scrollable) => ({
		scrollHeight: element.scrollHeight,
		clientHeight: element.clientHeight,
	}));
	ok(scrollHeight <= clientHeight, 'the tool description is cut off');
	deepStrictEqual(await editor.readChoices('inputSource'), ['Base64 Text', 'URL']);
	await shoot('tool-edit');
	const own = 'Edits our product photos.';
	await editor.fill('toolDescription', own);
	await editor.choose('operation', 'Generate');
	await editor.field('inputUrl').waitFor({ state: 'detached' });
	strictEqual(await editor.readField('toolDescription'), own);
}
