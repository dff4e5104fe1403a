import type { INode } from 'n8n-workflow';

/**
 * The message of an error as its reader needs it. A person reads the description below it; an AI agent
 * that uses the node as its tool is shown the message alone, so there the advice has to stand in it.
 *
 * @param node the node, whose type tells whether an agent uses it
 * @param message what happened
 * @param description how to go on
 */
export function messageFor(node: INode, message: string, description: string): string {
	return node.type.endsWith('Tool') ? `${message.replace(/\.$/, '')}. ${description}` : message;
}
