import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
	CHAT_API_KEY,
	startChatServer,
	TOOL_ARGUMENTS,
	toolResultsOf,
	type ChatScript,
	type ChatServer,
} from '../examples/chatServer.cts';
import { checkPng, FinishedRun } from '../kit/finishedRun.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import { CREDENTIAL_TYPE, findTrigger, prepareExample } from '../n8n/example.cts';
import { startN8n, type N8nInstance, type WorkflowFile } from '../n8n/instance.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { saveExecutions } from '../kit/savedExecutions.cts';
import type { Suite, TestContext } from './suite.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const EXECUTION_TIMEOUT_MS = 180_000;

/** The local server refuses a prompt with this word, as StepFun's moderation would. */
const REFUSED_WORD = 'forbidden-451';

/** No model has it, and it is what a chat model would take for a wide picture. */
const BAD_SIZE = '1920x1080';

/** An agent with the tool, and what is on either side of it. */
interface AgentTestContext {
	n8n: N8nInstance;
	chat: ChatServer;
	server: StepFunServer;
	workflow: WorkflowFile;
	workflowId: string;
	userFolder: string;
	key: string;
}

/** What a run of the agent left. */
interface AgentRun {
	/** The agent's answer to its user. */
	answer: string;
	/** The tool's results for the model, call by call. */
	toolResults: string[];
}

async function setUp({ installation, tarball, folder, cleanUp, log }: TestContext) {
	const key = makeKey();
	const server = await startStepFunServer({ keys: [key], refusedWords: [REFUSED_WORD] });
	cleanUp(() => server.close());
	const chat = await startChatServer();
	cleanUp(() => chat.close());
	const filesFolder = join(folder, 'pictures');
	await mkdir(filesFolder);

	log('starting n8n');
	const n8n = await startN8n({ installation, tarball, userFolder: folder, filesFolder });
	cleanUp(() => n8n.stop());
	const account = await createStepFunCredential(n8n, server, { apiKey: key });
	const openAiApi = await n8n.createCredential('openAiApi', 'Chat model account', {
		apiKey: CHAT_API_KEY,
		url: chat.url,
		header: false,
	});
	const workflow = await prepareExample('agent-with-image-tool', {
		credentials: { [CREDENTIAL_TYPE]: account, openAiApi },
		filesFolder,
	});
	const workflowId = await n8n.createWorkflow(workflow);
	return { n8n, chat, server, workflow, workflowId, userFolder: folder, key };
}

/** Runs the agent with a model that plays this script. Fails unless the workflow ends well. */
async function runAgent(context: AgentTestContext, script: ChatScript): Promise<AgentRun> {
	const { n8n, chat, server, workflow, workflowId, userFolder, key } = context;
	chat.play(script);
	server.reset();
	const trigger = findTrigger(workflow);
	const execution = await n8n.executeWorkflow(workflowId, trigger, EXECUTION_TIMEOUT_MS);
	const run = new FinishedRun(execution, userFolder, join(userFolder, 'pictures'));
	strictEqual(execution.status, 'success', run.errorMessage);
	const last = chat.requests.at(-1);
	ok(last, 'the agent asked the model nothing');
	ok(!JSON.stringify(chat.requests).includes(key), 'the model is told the key');
	const [answer] = run.values('Agent', 'output');
	return { answer: String(answer), toolResults: toolResultsOf(last) };
}

/** Opens the answer's link without a login. Fails unless it brings the image that the server sent last. */
async function checkLink(
	{ answer }: AgentRun,
	{ server }: AgentTestContext,
	size: string,
): Promise<string> {
	const link = /http\S+/.exec(answer)?.[0];
	ok(link, `the agent's answer has no link: ${answer}`);
	const opened = await fetch(link);
	strictEqual(opened.status, 200, `the link opens with ${opened.status}`);
	match(opened.headers.get('content-type') ?? '', /^image\/png/);
	const bytes = Buffer.from(await opened.arrayBuffer());
	checkPng(bytes, size);
	ok(server.sentImages.at(-1)?.equals(bytes), 'the link brings another image than the server sent');
	return link;
}

/** Fails unless n8n keeps what needs a login, and what a link's signature does not cover, to itself. */
async function checkOnlyTheLinkOpens(link: string, { n8n }: AgentTestContext): Promise<void> {
	strictEqual((await fetch(`${n8n.url}/rest/workflows`)).status, 401);
	const signature = new URL(link);
	const token = signature.searchParams.get('token') ?? '';
	const middle = Math.floor(token.length / 2);
	const changed = token[middle] === 'A' ? 'B' : 'A';
	signature.searchParams.set('token', token.slice(0, middle) + changed + token.slice(middle + 1));
	const forged = await fetch(signature);
	ok(forged.status >= 400, `a link with another token opens with ${forged.status}`);
}

/** Fails when the tool's words hold an image, or anything of the node's inside. */
function checkReadable(text: string): void {
	doesNotMatch(text, /Bearer|stack|node_modules|\.js:\d/);
	doesNotMatch(text, /[A-Za-z0-9+/]{200}/, 'the tool hands the model a Base64 image');
}

async function makePicture(context: AgentTestContext): Promise<string> {
	const result = await runAgent(context, { first: TOOL_ARGUMENTS });
	const [declared] = context.chat.requests[0].tools ?? [];
	deepStrictEqual(
		Object.keys(declared.function.parameters.properties ?? {}),
		Object.keys(TOOL_ARGUMENTS),
	);
	strictEqual(result.toolResults.length, 1);
	checkReadable(result.toolResults[0]);
	strictEqual(context.server.billed.length, 1);
	strictEqual(context.server.billed[0].prompt, TOOL_ARGUMENTS.Prompt);
	const link = await checkLink(result, context, TOOL_ARGUMENTS.Size);
	ok(result.toolResults[0].includes(link), 'the link is not the one that the tool gave');
	await checkOnlyTheLinkOpens(link, context);
	return `a call with a prompt and a size, and a link that opens a ${TOOL_ARGUMENTS.Size} PNG without a login`;
}

/** Moderation refuses the first prompt; the model reads so, and changes it. */
async function recoverFromRefusal(context: AgentTestContext): Promise<string> {
	const result = await runAgent(context, {
		first: { ...TOOL_ARGUMENTS, Prompt: `${TOOL_ARGUMENTS.Prompt}, ${REFUSED_WORD}` },
		correct: (text) => (/Change the prompt/.test(text) ? TOOL_ARGUMENTS : undefined),
	});
	const [refusal] = result.toolResults;
	match(refusal, /Moderation refused the request/);
	match(refusal, /The same request would be refused again/);
	checkReadable(refusal);
	strictEqual(result.toolResults.length, 2, 'the model did not call the tool twice');
	const statuses = imageRequests(context).map(({ status }) => status);
	deepStrictEqual(statuses, [451, 200]);
	strictEqual(context.server.billed.length, 1);
	await checkLink(result, context, TOOL_ARGUMENTS.Size);
	return `"${refusal}"`;
}

/** No model has the first size; the model takes one of those that the tool names. */
async function recoverFromBadSize(context: AgentTestContext): Promise<string> {
	let chosen = '';
	const result = await runAgent(context, {
		first: { ...TOOL_ARGUMENTS, Size: BAD_SIZE },
		correct(text) {
			const offered = text.split('Use one of its sizes')[1]?.match(/\d+x\d+/g) ?? [];
			chosen = offered.toSorted((a, b) => aspectOf(b) - aspectOf(a))[0] ?? '';
			return chosen ? { ...TOOL_ARGUMENTS, Size: chosen } : undefined;
		},
	});
	const [problem] = result.toolResults;
	ok(problem.includes(`'Size' ${BAD_SIZE} is not a size of`), problem);
	checkReadable(problem);
	strictEqual(result.toolResults.length, 2, 'the model did not call the tool twice');
	// A size that cannot be is found out before anything is sent.
	deepStrictEqual(
		imageRequests(context).map(({ status }) => status),
		[200],
	);
	await checkLink(result, context, chosen);
	return `"${problem}"; the model took ${chosen}`;
}

/** A model that stops after an error passes the tool's message on to its user. */
async function reportRefusal(context: AgentTestContext): Promise<string> {
	const { answer, toolResults } = await runAgent(context, {
		first: { ...TOOL_ARGUMENTS, Prompt: REFUSED_WORD },
	});
	strictEqual(toolResults.length, 1);
	ok(answer.includes('Moderation refused the request'), answer);
	strictEqual(context.server.billed.length, 0);
	return 'the user is told, and nothing is billed';
}

function imageRequests({ server }: AgentTestContext) {
	return server.requests.filter(({ path }) => path.includes('/images/'));
}

function aspectOf(size: string): number {
	const [width, height] = size.split('x').map(Number);
	return width / height;
}

async function run(testContext: TestContext): Promise<void> {
	const { folder, log } = testContext;
	const context = await setUp(testContext);
	log(`a picture: ${await makePicture(context)}`);
	log(`a refused prompt, corrected: ${await recoverFromRefusal(context)}`);
	log(`a size that is none, corrected: ${await recoverFromBadSize(context)}`);
	log(`a refused prompt, reported: ${await reportRefusal(context)}`);

	const executions = await saveExecutions(context.n8n, join(folder, 'executions'));
	strictEqual(executions, 4);
	await context.n8n.stop();
	const searched = await checkKeyIsNowhere(context.key, [folder], [context.server], {
		[join(folder, '.n8n')]: TOOL_ARGUMENTS.Prompt,
	});
	log(`the key is in none of ${searched} files of n8n, ${executions} executions among them`);
}

/** n8n's AI Agent with the node as its tool, and a chat model that follows a script. */
export const agentSuite: Suite = {
	title: 'an AI agent makes an image with the tool, and goes on after its errors',
	run,
};
