import type { INodeProperties, NodeParameterValue } from 'n8n-workflow';

import { MODELS, OFFERS, type ModelCapabilities, type Offer } from '../catalogue/models';
import { noticeFor, type Conditions } from './showFor';

/** n8n shows a notice if all conditions of `show` apply and none of `hide`. */
interface Notice {
	/** The text for a model; `undefined` if the model needs no notice. */
	text(offer: Offer): string | undefined;
	show?: Conditions;
	hide?(capabilities: ModelCapabilities): Conditions;
}

// The path starts at the root because n8n 1.x fails to load the workflow if it cannot sort a condition's field among
// the others. The condition uses the length because n8n always shows a field whose condition in `show` meets an
// expression.
const HAS_NEGATIVE_PROMPT: Conditions = {
	'/options.negativePrompt.length': [{ _cnd: { gt: 0 } }],
};

const OPTION_DEFAULTS = MODELS[0].operations.generate as ModelCapabilities;

const isNot = (value: NodeParameterValue) => [{ _cnd: { not: value } }];

/** A new option starts at the default of the first model, and keeps its value when the user changes the model. */
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
				: `${id} does not support negative prompts. Remove the option, or choose another model.`,
		show: HAS_NEGATIVE_PROMPT,
	},
	textMode: {
		text: ({ id, capabilities }) =>
			capabilities.textMode
				? undefined
				: `${id} does not support text mode. Turn the option off, or choose another model.`,
		hide: () => ({ '/options.textMode': isNot(true) }),
	},
	ignoredNegativePrompt: {
		text: ({ capabilities: { negativePrompt } }) =>
			negativePrompt &&
			`The negative prompt has no effect while CFG Scale is ${negativePrompt.ignoredAtCfgScale}. Add CFG Scale under Options and set it to a higher value, for example 3.`,
		show: HAS_NEGATIVE_PROMPT,
		hide: ({ negativePrompt }) => ({
			'/options.cfgScale': [
				{ _cnd: { gt: negativePrompt?.ignoredAtCfgScale ?? 0 } },
				// The result of an expression is not known here. n8n 1.x fails if `startsWith` meets a missing value.
				{ _cnd: { regex: '^=' } },
			],
		}),
	},
	steps: startValueNotice('Steps', 'steps'),
	cfgScale: startValueNotice('CFG Scale', 'cfgScale'),
};

/** The notices about options that the chosen model does not support, or for which it has another default. */
export const optionNotices: INodeProperties[] = OFFERS.flatMap((offer) =>
	Object.entries(NOTICES).flatMap(([name, { text, show, hide }]) => {
		const shown = text(offer);
		const conditions = { show, hide: hide?.(offer.capabilities) };
		return shown === undefined ? [] : noticeFor(offer.operation, offer.id, name, shown, conditions);
	}),
);
