import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The only key that the server takes. */
export const CHAT_API_KEY = 'local-chat-key';

/** What the scripted model gives the tool to draw. */
export const TOOL_ARGUMENTS = {
	Prompt:
		'An autumn vineyard on a hill, rows of red and yellow leaves, low sun, nobody in it, photo',
	Size: '1360x768',
};

/** What the tool of examples/agent-with-image-tool.json takes. */
export type ToolArguments = typeof TOOL_ARGUMENTS;

/** What the scripted model does with its tool. */
export interface ChatScript {
	/** What it gives the tool first. */
	first: ToolArguments;
	/**
	 * What it gives the tool next, from what the tool said instead of a link. Without this, or without a result, it
	 * tells the user what the tool said.
	 */
	correct?(toolResult: string): ToolArguments | undefined;
}

/** A tool as a request declares it. */
interface DeclaredTool {
	function: {
		name: string;
		description?: string;
		parameters: { properties?: Record<string, { description?: string }> };
	};
}

/** A request of OpenAI's chat API, as far as the server looks at it. */
export interface ChatRequest {
	model: string;
	stream?: boolean;
	tools?: DeclaredTool[];
	messages: Array<{ role: string; content: unknown }>;
}

/** A scripted stand-in for a chat model behind OpenAI's API. */
export interface ChatServer {
	/** Base URL, ending in /v1. */
	url: string;
	/** Every chat request, in the order of arrival. */
	readonly requests: ChatRequest[];
	/** Plays another script from now on, and forgets the requests. */
	play(script: ChatScript): void;
	close(): Promise<void>;
}

/**
 * Starts a server which plays a chat model with one tool: it calls the tool, and when it has the tool's result, it
 * passes on the link in it, or does what the script says.
 */
export async function startChatServer(
	script: ChatScript = { first: TOOL_ARGUMENTS },
): Promise<ChatServer> {
	const requests: ChatRequest[] = [];
	let played = script;
	const server = createServer((request, response) => {
		void respond(request).then(({ status, body }) => {
			response.writeHead(status, { 'content-type': 'application/json' });
			response.end(JSON.stringify(body));
		});
	});

	async function respond(request: IncomingMessage): Promise<{ status: number; body: object }> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		if (request.headers.authorization !== `Bearer ${CHAT_API_KEY}`) {
			return refusal(401, 'Incorrect API key provided');
		}
		if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
			return refusal(404, `Unknown request: ${request.method} ${request.url}`);
		}
		const chat = JSON.parse(Buffer.concat(chunks).toString('utf8')) as ChatRequest;
		requests.push(chat);
		if (chat.stream) return refusal(400, 'This server does not stream');
		return {
			status: 200,
			body: {
				id: `chatcmpl-${requests.length}`,
				object: 'chat.completion',
				created: Math.floor(Date.now() / 1000),
				model: chat.model,
				choices: [{ index: 0, ...nextTurn(chat, played) }],
				usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
			},
		};
	}

	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
		requests,
		play(other) {
			played = other;
			requests.length = 0;
		},
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

function refusal(status: number, message: string) {
	return { status, body: { error: { message, type: 'invalid_request_error' } } };
}

/** The tool's results in a conversation, as the model reads them. */
export function toolResultsOf({ messages }: ChatRequest): string[] {
	return messages
		.filter(({ role }) => role === 'tool')
		.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)));
}

function nextTurn(chat: ChatRequest, { first, correct }: ChatScript): object {
	const toolResults = toolResultsOf(chat);
	const result = toolResults.at(-1);
	if (result === undefined) return callTool(chat, first, 1);
	const link = /"link":"(http[^"]+)"/.exec(result.replaceAll('\\"', '"'))?.[1];
	if (link) return say(`Here is your picture: ${link} It shows an autumn vineyard.`);
	const corrected = correct?.(result);
	if (corrected) return callTool(chat, corrected, toolResults.length + 1);
	return say(`The tool gave no link. It said: ${result}`);
}

function say(content: string): object {
	return { message: { role: 'assistant', content }, finish_reason: 'stop' };
}

function callTool({ tools = [] }: ChatRequest, values: ToolArguments, nth: number): object {
	const [tool] = tools;
	if (!tool) return say('There is no tool that I could call.');
	const call = { name: tool.function.name, arguments: JSON.stringify(values) };
	return {
		message: {
			role: 'assistant',
			content: null,
			tool_calls: [{ id: `call_${nth}`, type: 'function', function: call }],
		},
		finish_reason: 'tool_calls',
	};
}
