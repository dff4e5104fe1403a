import type {
	DeclarativeRestApiSettings,
	IBinaryData,
	IDataObject,
	IExecutePaginationFunctions,
	IHttpRequestOptions,
} from 'n8n-workflow';

import { findModel, type Operation } from '../catalogue/models';
import { inputError } from '../errors/inputError';
import { OUTPUTS, type Output } from '../parameters/output';
import { DEFAULT_PATIENCE, type Patience } from '../transport/patience';
import { checkFields, isUnset, passFields, type RequestFields } from './fields';
import { inspectInputImage, type InputImage } from './inputImage';

/** Everything the transport needs to get one image for one item. Nothing in it is large. */
export interface ImageRequest {
	operation: Operation;
	model: string;
	fields: RequestFields;
	inputImage?: InputImage;
	output: Output;
	/** The binary field that the image goes into. */
	outputField: string;
	patience: Patience;
	/** Address, headers, proxy and so on, as n8n's routing resolved them. */
	options: IHttpRequestOptions;
}

/** Where an image goes that a server sends although a link was asked for. */
const UNASKED_FIELD = 'data';

/** What n8n's routing sets when the user has not added a timeout under Request Options. */
const ROUTING_DEFAULT_TIMEOUT = 300_000;

/**
 * Turns an item's resolved parameters into a request that is known to be acceptable.
 *
 * @param context the item's execution context
 * @param requestData what n8n's routing made of the node's declarations
 * @throws NodeOperationError for whatever would be refused or make no sense; nothing has been sent
 */
export async function prepareRequest(
	context: IExecutePaginationFunctions,
	requestData: DeclarativeRestApiSettings.ResultOptions,
): Promise<ImageRequest> {
	const { body: collected, ...options } = requestData.options;
	const body = collected as IDataObject;
	const operation = context.getNodeParameter('operation') as Operation;

	if (!/^https?:\/\/./i.test(options.baseURL ?? '') || !URL.canParse(options.baseURL ?? '')) {
		throw inputError(
			context,
			"The credential's 'Base URL' is not a web address",
			'Open the StepFun API credential and enter an address that starts with https:// or http://, such as https://images.example.com/v1.',
		);
	}

	const model = typeof body.model === 'string' ? body.model.trim() : '';
	if (model === '') {
		throw inputError(
			context,
			"'Model' is empty",
			'Choose a model from the list, or check that the expression gives the ID of a model on this item.',
		);
	}

	const facts = factsFor(context, model, operation);
	const fields = facts ? checkFields(context, body, model, facts) : passFields({ ...body, model });

	const output = readOutput(context);
	const outputField =
		output === 'url' ? UNASKED_FIELD : String(context.getNodeParameter('outputField')).trim();
	if (outputField === '') {
		throw inputError(
			context,
			"'Put Output File in Field' is empty",
			'Enter a name for the binary field that the image goes into, such as data.',
		);
	}

	const patience = readPatience(context, options.timeout);

	const inputImage =
		operation === 'edit'
			? await inspectInputImage(context, readInputSource(context), model, facts?.inputImage)
			: undefined;

	return {
		operation,
		model,
		fields,
		inputImage,
		output,
		outputField,
		patience,
		options: options as IHttpRequestOptions,
	};
}

function factsFor(context: IExecutePaginationFunctions, id: string, operation: Operation) {
	const model = findModel(id);
	if (!model) return undefined;
	const facts = model.operations[operation];
	if (facts) return facts;
	const offered = Object.keys(model.operations).join(' and ');
	throw inputError(
		context,
		`The model ${id} cannot ${operation} images`,
		`${id} offers: ${offered}. Choose another model, or another operation.`,
	);
}

function readOutput(context: IExecutePaginationFunctions): Output {
	const output = String(context.getNodeParameter('output'));
	if ((OUTPUTS as readonly string[]).includes(output)) return output as Output;
	throw inputError(
		context,
		`'Output' must be one of ${OUTPUTS.join(', ')}, but is ${output}`,
		"Choose from the list, or let the expression in 'Output' give one of these words.",
	);
}

/** The field's name, or the file itself, which n8n's expressions can hand over as an object. */
function readInputSource(context: IExecutePaginationFunctions): string | IBinaryData {
	const source = context.getNodeParameter('binaryPropertyName');
	return typeof source === 'object' && source !== null
		? (source as unknown as IBinaryData)
		: String(source).trim();
}

function readPatience(context: IExecutePaginationFunctions, routedTimeout?: number): Patience {
	const options = context.getNodeParameter('options', {}) as IDataObject;

	const positive = (label: string, value: unknown, fallback: number, min: number): number => {
		if (isUnset(value)) return fallback;
		const number = Number(value);
		if (Number.isFinite(number) && number >= min) return number;
		throw inputError(
			context,
			`'${label}' must be a number of at least ${min}, but is ${String(value)}`,
			`Change '${label}', or remove the option to use ${fallback}.`,
		);
	};

	// n8n's own Request Options know a timeout too; the node's option is the more particular one.
	const timeout =
		routedTimeout !== undefined && routedTimeout !== ROUTING_DEFAULT_TIMEOUT
			? routedTimeout / 1000
			: DEFAULT_PATIENCE.timeoutSeconds;
	return {
		timeoutMs: positive('Timeout (Seconds)', options.timeout, timeout, 0.1) * 1000,
		maxTries: Math.floor(positive('Max Tries', options.maxTries, DEFAULT_PATIENCE.maxTries, 1)),
		giveUpAfterMs:
			positive(
				'Give Up After (Seconds)',
				options.giveUpAfter,
				DEFAULT_PATIENCE.giveUpAfterSeconds,
				0,
			) * 1000,
	};
}
