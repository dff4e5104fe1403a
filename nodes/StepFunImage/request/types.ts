import type { IExecuteFunctions, IHttpRequestMethods, INodeExecutionData } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import type { ErrorContext } from '../errors/nodeErrors';
import type { Credential } from '../transport/credential';
import type { RetryPolicy } from '../transport/retry';
import type { Timeouts } from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';

/** The context that every step of an item needs. */
export interface ItemContext extends ErrorContext {
	functions: IExecuteFunctions;
	input: INodeExecutionData;
}

/** The fields of a request except the input image, keyed by the API's names. */
export type BodyFields = Record<string, unknown>;

/** An input image that has not been prepared yet. It is in n8n's store, at a URL, or in the item as Base64 text. */
export interface InputImage {
	/** Its name, from which the result's name derives. */
	fileName: string;
	/** Whether it must be downloaded from another host, which may take long. */
	isRemote: boolean;
	/**
	 * Prepares the image for sending: downloads it, or decodes its text. An image in n8n's store stays there. Called
	 * again for each try.
	 *
	 * @param signal cancels the download
	 * @returns a file whose type comes from the content of the image, not from its metadata
	 */
	prepare(signal: AbortSignal): Promise<UploadFile>;
}

/**
 * A valid request for one image. It stays small while it waits, unless the item contains the input image as text.
 */
export interface ImageRequest {
	operation: Operation;
	method: IHttpRequestMethods;
	/** The operation's path, such as `/images/generations`. */
	path: string;
	credential: Credential;
	model: string;
	/** The user's prompt. The prompt in the body may also contain settings. */
	prompt: string;
	/** The seed in the body, if there is one. */
	seed: number | undefined;
	/** The expected size in pixels, if it is known. */
	expectedSize: { width: number; height: number } | undefined;
	/** The body without the input image, in the server's own names. */
	fields: BodyFields;
	inputImage?: InputImage;
	/** The binary field for the image. */
	outputField: string;
	/** The image file's name without extension. */
	fileName: string;
	/** The number of the image among the item's several images, from 1. */
	variation?: number;
	timeouts: Timeouts;
	retryPolicy: RetryPolicy;
}
