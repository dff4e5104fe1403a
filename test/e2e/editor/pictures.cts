import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Editor } from '../../editor/editor.cts';
import type { Session } from './session.cts';

const THEMES = ['light', 'dark'] as const;

/** A small window, in which labels and notices must still be readable. */
const NARROW = { width: 1024, height: 720 };

/**
 * Makes what takes a picture of each step, light, dark and in a small window, numbered in the order they are taken.
 *
 * @param folder where to put them; without one, none are taken
 */
export function createPictures(editor: Editor, folder: string | undefined): Session['shoot'] {
	let taken = 0;
	return async (name, part = editor.panel) => {
		if (!folder) return;
		await mkdir(folder, { recursive: true });
		const number = String(++taken).padStart(2, '0');
		for (const theme of THEMES) {
			await editor.useTheme(theme, part);
			await writeFile(join(folder, `${number}-${name}-${theme}.png`), await editor.shootPart(part));
		}
		await editor.useTheme('light', part);
		const { page } = editor;
		const usual = page.viewportSize();
		await page.setViewportSize(NARROW);
		await writeFile(join(folder, `${number}-${name}-narrow.png`), await page.screenshot());
		if (usual) await page.setViewportSize(usual);
	};
}
