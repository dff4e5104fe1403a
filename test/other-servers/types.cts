import type { IncomingHttpHeaders } from 'node:http';
import type { ImageFormat, UploadedFile } from '../stepfun-server/types.cts';

export type OtherServerKind =
	| 'vllmOmni'
	| 'sglang'
	| 'lightX2V'
	| 'stableDiffusionCpp'
	| 'localAi'
	| 'openai'
	| 'liteLlm'
	| 'newApi'
	| 'ollama'
	| 'siliconFlow';

/** How the server was started. What a kind does not know has no effect on it. */
export interface OtherServerOptions {
	/** The key that the server asks for. Those that need one have it by default: local-key. */
	key?: string;
	/** The model that it serves; each kind has one by default. */
	model?: string;
	/** Time that one picture takes. Default 0. */
	drawMs?: number;
	/** Behaves as releases from before a change in the kind's API did; see its head comment. */
	older?: boolean;
	/** SGLang: keeps pictures as files (--output-path), so that links can be given. Default true. */
	keepsFiles?: boolean;
	/** stable-diffusion.cpp: --seed, where -1 asks for a random one. Default 42. */
	seed?: number;
	/** stable-diffusion.cpp: the sides of a picture are rounded up to this. Default 64, as for Stable Diffusion. */
	sideMultiple?: number;
	/** LiteLLM: litellm_settings.drop_params. */
	dropParams?: boolean;
	/** new-api: what the server behind it puts into data[0].url. Default: an address. */
	link?: 'absolute' | 'relative' | 'data';
}

export interface ReceivedRequest {
	method: string;
	/** The path from the root, without the query. */
	path: string;
	query: URLSearchParams;
	headers: IncomingHttpHeaders;
	/** The key of an `Authorization: Bearer` header. */
	key?: string;
	rawBody: Buffer;
	/** The body of a JSON request. */
	json?: unknown;
	/** The text parts of a form, by name. */
	fields: Record<string, string[]>;
	/** The file parts of a form, by name. */
	files: Record<string, UploadedFile[]>;
	/** What a relay sends on to the server behind it. */
	forwarded?: Record<string, unknown>;
	/** Absent until the response is sent, and if the client left before. */
	status?: number;
	/** The client left before it had the whole response. */
	aborted: boolean;
}

/** The settings that a picture was drawn with, as the server understood them. */
export interface Drawing {
	prompt: string;
	width: number;
	height: number;
	seed: number;
	format?: ImageFormat;
	steps?: number;
	guidance?: number;
	negativePrompt?: string;
	/** The pictures to edit. */
	inputs?: Buffer[];
}

export interface OtherServer {
	/** The base URL. */
	url: string;
	origin: string;
	readonly received: ReceivedRequest[];
	/** Every finished picture, including those that no client waited for. */
	readonly drawings: Drawing[];
	readonly drawn: number;
	/** Most pictures that were being drawn at one time. */
	readonly maxInFlight: number;
	close(): Promise<void>;
}

/** A response before it is sent. */
export interface PlannedResponse {
	status: number;
	/** A Buffer or a string is sent as it is, anything else as JSON. */
	body: unknown;
	headers?: Record<string, string>;
}

/** What a simulation may use of the listener. */
export interface Tools {
	options: OtherServerOptions;
	/** Waits for its turn, draws, and counts. Throws if the client left and this server gives up then. */
	draw(drawing: Drawing): Promise<Buffer>;
	/** Draws some pictures, with seeds that follow one another. */
	drawSeries(count: number, drawing: Drawing): Promise<Buffer[]>;
	/** Keeps bytes for a later GET; returns their absolute address. */
	keep(path: string, bytes: Buffer, type?: string): string;
}

export type Route = (
	request: ReceivedRequest,
	tools: Tools,
) => PlannedResponse | Promise<PlannedResponse>;

/** The behaviour of one server program. Its base URL ends in /v1. */
export interface Simulation {
	defaultModel: string;
	defaultKey?: string;
	/** Draws one picture after the other. */
	oneAtATime: boolean;
	/** Gives up a picture whose client left. */
	stopsWithClient: boolean;
	/** Refuses a request, whatever it is for: most look at its key. */
	check?(request: ReceivedRequest, options: OtherServerOptions): void;
	/** What responds to a method and path, such as GET /v1/models. */
	routes: Record<string, Route>;
	/** The response to any other. */
	notFound(request: ReceivedRequest): PlannedResponse;
}
