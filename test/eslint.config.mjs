import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

// The tests and the local StepFun server are not part of the package, so n8n's rules for nodes (no node:http, no timers,
// no console) do not apply to them.
export default defineConfig({
	files: ['**/*.cts'],
	extends: [eslint.configs.recommended, tseslint.configs.recommended],
});
