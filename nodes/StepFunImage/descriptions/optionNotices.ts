import type { DisplayCondition, INodeProperties, NodeParameterValue } from 'n8n-workflow';

import {
	MODELS,
	modelsFor,
	OPERATIONS,
	type Model,
	type ModelCapabilities,
	type Operation,
} from '../catalogue/models';
import { noticeFor } from './showFor';

/** When a notice is shown: all of `show` applies, and nothing of `hide`. */
type Conditions = Record<string, Array<NodeParameterValue | DisplayCondition>>;

interface Notice {
	/** What is said of the model, if there is something to say. */
	text(model: Model & { capabilities: ModelCapabilities }): string | undefined;
	show?: Conditions;
	hide?(capabilities: ModelCapabilities): Conditions;
}

// Paths from the root: n8n 1.x loads no workflow with the node when it cannot order a condition's field among the others.
// The length, since n8n shows whatever has an expression in `show`, for any model.
const HAS_NEGATIVE_PROMPT: Conditions = {
	'/options.negativePrompt.length': [{ _cnd: { gt: 0 } }],
};

const OPTION_DEFAULTS = MODELS[0].operations.generate as ModelCapabilities;

const isNot = (value: NodeParameterValue) => [{ _cnd: { not: value } }];

/** An option starts at the default of the first model, and keeps its value when the model changes. */
const startValueNotice = (label: string, name: 'steps' | 'cfgScale'): Notice => ({
	text: ({ id, capabilities }) =>
		capabilities[name].default === OPTION_DEFAULTS[name].default
			? undefined
			: `${label} is ${OPTION_DEFAULTS[name].default}, the default of ${MODELS[0].id}. The default of ${id} is ${capabilities[name].default}.`,
	hide: () => ({ [`/options.${name}`]: isNot(OPTION_DEFAULTS[name].default) }),
});

const NOTICES: Record<string, Notice> = {
	negativePrompt: {
		text: ({ id, capabilities }) =>
			capabilities.negativePrompt
				? undefined
				: `${id} takes no negative prompt, so the node will refuse to run. Remove the option, or choose another model.`,
		show: HAS_NEGATIVE_PROMPT,
	},
	textMode: {
		text: ({ id, capabilities }) =>
			capabilities.textMode
				? undefined
				: `${id} has no text mode, so the node will refuse to run. Turn the option off, or choose another model.`,
		hide: () => ({ '/options.textMode': isNot(true) }),
	},
	ignoredNegativePrompt: {
		text: ({ capabilities: { negativePrompt } }) =>
			negativePrompt &&
			`The negative prompt has no effect while CFG Scale is ${negativePrompt.ignoredAtCfgScale}. Set CFG Scale under Options higher, for example to 3.`,
		show: HAS_NEGATIVE_PROMPT,
		hide: ({ negativePrompt }) => ({
			'/options.cfgScale': [
				{ _cnd: { gt: negativePrompt?.ignoredAtCfgScale ?? 0 } },
				// What an expression will give is not known here. n8n 1.x fails over a startsWith of nothing.
				{ _cnd: { regex: '^=' } },
			],
		}),
	},
	steps: startValueNotice('Steps', 'steps'),
	cfgScale: startValueNotice('CFG Scale', 'cfgScale'),
};

function noticesOf(operation: Operation): INodeProperties[] {
	return modelsFor(operation).flatMap((model) =>
		Object.entries(NOTICES).flatMap(([name, { text, show, hide }]): INodeProperties[] => {
			const displayName = text(model);
			if (displayName === undefined) return [];
			const conditions = noticeFor(operation, model.id);
			return [
				{
					displayName,
					name: `${name}Notice_${operation}_${model.id}`,
					type: 'notice',
					default: '',
					displayOptions: {
						show: { ...conditions.show, ...show },
						hide: { ...conditions.hide, ...hide?.(model.capabilities) },
					},
				},
			];
		}),
	);
}

/** What is said, before a run, of options that the chosen model does not have or understands in another way. */
export const optionNotices: INodeProperties[] = OPERATIONS.flatMap(noticesOf);
