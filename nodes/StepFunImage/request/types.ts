import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import type { InputImageLimits } from '../catalogue/models';
import type { ErrorContext } from '../errors/nodeErrors';
import type { Timeouts } from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';

/** The context that every step of an item needs. */
export interface ItemContext extends ErrorContext {
	functions: IExecuteFunctions;
	input: INodeExecutionData;
	/** How many times the node has run before in this execution, as in a loop. */
	runIndex: number;
}

/** The fields of a request except the input image, keyed by the API's names. */
export type BodyFields = Record<string, unknown>;

/** The rules for an input image, and for reading it. */
export interface InputImageRules {
	model: string;
	/** Those of the model. Without them, only the image's format and its end are checked. */
	limits?: InputImageLimits;
	timeouts: Timeouts;
	ignoreSslIssues: boolean;
}

/** An input image in n8n's store, in the item as Base64 text, or at a URL. The result's name derives from its name. */
export type InputImage = UploadFile | RemoteImage;

/** An input image that must be downloaded from another host, which may take long. */
export interface RemoteImage {
	name: string;
	/** Downloads and checks the image. Called again for each try; the signal cancels the download. */
	download(signal: AbortSignal): Promise<UploadFile>;
}
