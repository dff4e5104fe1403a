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

/** A tool as a request declares it. */
interface DeclaredTool {
	function: {
		name: string;
		description?: string;
		parameters: { properties?: Record<string, { description?: string }> };
	};
}

interface ChatRequest {
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
	close(): Promise<void>;
}

/**
 * Starts a server which plays a chat model with one tool: it calls the tool, and when it has the tool's answer, it
 * passes on the link in it.
 */
export async function startChatServer(): Promise<ChatServer> {
	const requests: ChatRequest[] = [];
	const server = createServer((request, response) => {
		void answer(request).then(({ status, body }) => {
			response.writeHead(status, { 'content-type': 'application/json' });
			response.end(JSON.stringify(body));
		});
	});

	async function answer(request: IncomingMessage): Promise<{ status: number; body: object }> {
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
				choices: [{ index: 0, ...nextTurn(chat) }],
				usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
			},
		};
	}

	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
		requests,
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

function refusal(status: number, message: string) {
	return { status, body: { error: { message, type: 'invalid_request_error' } } };
}

function nextTurn({ messages, tools = [] }: ChatRequest): object {
	const toolAnswer = messages.findLast(({ role }) => role === 'tool');
	if (toolAnswer) {
		const text =
			typeof toolAnswer.content === 'string'
				? toolAnswer.content
				: JSON.stringify(toolAnswer.content);
		const link = /"link":"(http[^"]+)"/.exec(text.replaceAll('\\"', '"'))?.[1];
		const content = link
			? `Here is your picture: ${link} It shows an autumn vineyard.`
			: `The tool gave no link. It said: ${text}`;
		return { message: { role: 'assistant', content }, finish_reason: 'stop' };
	}
	const [tool] = tools;
	if (!tool) {
		const content = 'There is no tool that I could call.';
		return { message: { role: 'assistant', content }, finish_reason: 'stop' };
	}
	const call = { name: tool.function.name, arguments: JSON.stringify(TOOL_ARGUMENTS) };
	return {
		message: {
			role: 'assistant',
			content: null,
			tool_calls: [{ id: 'call_1', type: 'function', function: call }],
		},
		finish_reason: 'tool_calls',
	};
}
