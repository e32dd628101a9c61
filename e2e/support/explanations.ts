/** The page's explanations, each behind its question. */
import type { Page } from 'playwright';

const questions = [
  'What is CKA?',
  'Why is a permutation free?',
  'What does tying do?',
  'What does recovery do?',
] as const;

/** Opens all, or closes them where they are open. */
export async function toggleExplanations(page: Page): Promise<void> {
  for (const question of questions) await page.getByText(question, { exact: true }).click();
}
