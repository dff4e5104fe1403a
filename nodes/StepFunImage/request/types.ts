import type { IExecuteFunctions, IHttpRequestMethods } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import type { Output } from '../catalogue/outputs';
import type { ErrorContext } from '../errors/nodeErrors';
import type { Credential } from '../transport/credential';
import type { RetryPolicy } from '../transport/retry';
import type { Timeouts } from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';

/** What every step of an item needs. */
export interface ItemContext extends ErrorContext {
	functions: IExecuteFunctions;
}

/** What goes over the wire beside the input image, keyed by the API's field names. */
export type BodyFields = Record<string, unknown>;

/** What of an input item leaves the node beside the result. */
export type IncludeInput = 'nothing' | 'json' | 'jsonAndFiles';

/** How an item's images leave the node. */
export interface OutputOptions {
	output: Output;
	includeInput: IncludeInput;
	severalImagesAs: 'items' | 'fields';
	whenModerated: 'fail' | 'passOn';
	/** How long a link served by n8n opens, in the words of n8n's helper. */
	linkLifetime: string;
}

/**
 * An image that waits for its item's turn. Until then it stays where it is: in n8n's store, behind its
 * address, or, if it came as text, in the item.
 */
export interface InputImage {
	/** What it is called, for the name of the result. */
	fileName: string;
	/** Whether reading it means to ask another host, which may take long. */
	isRemote: boolean;
	/**
	 * Makes it ready to be sent: fetches it from its address, or decodes its text. An image in n8n's store stays there.
	 * Called anew for each try.
	 *
	 * @param signal ends the download early
	 * @returns a file whose type is taken from the image itself, not from what anybody claims
	 */
	prepare(signal: AbortSignal): Promise<UploadFile>;
}

/**
 * Everything it takes to get one image for one item, known to be acceptable. Nothing in it is large but an input
 * image that came as text.
 */
export interface ImageRequest {
	operation: Operation;
	method: IHttpRequestMethods;
	/** The operation's path, such as `/images/generations`. */
	path: string;
	credential: Credential;
	model: string;
	/** As the user wrote it; the body may hold settings beside it. */
	prompt: string;
	/** The seed in the body, if there is one. */
	seed: number | undefined;
	/** How large the picture should come, in pixels, if that is known. */
	expectedSize: { width: number; height: number } | undefined;
	/** The body without the input image, in the server's own names. */
	fields: BodyFields;
	inputImage?: InputImage;
	/** The binary field that the image goes into. */
	outputField: string;
	/** The image file's name without extension. */
	fileName: string;
	/** Which of an item's several images this is, from 1 on. */
	variation?: number;
	timeouts: Timeouts;
	retryPolicy: RetryPolicy;
}

/** What one item asks for. */
export interface ItemRequests {
	/** One for each image: input images times variations, in this order. */
	requests: ImageRequest[];
	outputOptions: OutputOptions;
	/** The most images that the whole run may make. */
	maxImagesPerRun?: number;
}
