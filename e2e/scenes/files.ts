/** Several files, a part that is missing, half precision, inputs that nobody knows, many layers; and the formats. */
import { join } from 'node:path';
import { projectRoot } from '../server.ts';
import { writeDeepModel } from '../support/deep-model.ts';
import { companionFiles, dynamoModel } from '../support/fixtures.ts';
import type { Scene } from './shots.ts';

const models = (...names: string[]) => names.map((name) => join(projectRoot, 'src/testing/models', name));
const pair = ['encoder_model.onnx', 'decoder_model.onnx', 'decoder_with_past_model.onnx'];

export const files: Scene = {
  play: async (studio, take) => {
    const { page } = studio;
    const open = { steps: ['open', 'calibrate'] };
    await studio.openModel(models(...pair.map((name) => `marian-pair/${name}`)));
    await studio.pickWindow(0, 1, 'encoder.encoder.layers.*');
    await studio.pickWindow(0, 1, 'decoder.model.model.decoder.layers.*');
    await studio.merge({ score: 'input-weights+output-weights' });
    await page.getByRole('radio', { name: 'ONNX, half precision', exact: true }).check();
    await take('01-pair');
    await studio.openModel(models('marian-pair/decoder_model.onnx'));
    await take('02-missing-sibling', open);
    await studio.openModel(models('gpt2-external/model.onnx')).catch(() => undefined);
    await take('03-missing-weights', open);
    await studio.openModel(models('gpt2-external/model.onnx', 'gpt2-external/model.onnx_data'));
    await page.getByText('Inputs, outputs and format', { exact: true }).click();
    await take('04-data-files', open);
    await studio.openModel(models('gpt2-float16-torchscript-17.onnx'));
    await take('05-half-precision', open);
    await studio.openModel(models('clip-dynamo.onnx'));
    await take('06-inputs-not-understood', open);
    const checkpoint = join(projectRoot, 'src/testing/fixtures/shakespeare-gpt2/model.safetensors');
    await studio.openModel([
      dynamoModel('shakespeare-gpt2'),
      checkpoint,
      ...companionFiles('shakespeare-gpt2'),
    ]);
    await studio.pickWindow(4, 7);
    await studio.merge();
    await page.getByRole('radio', { name: 'Checkpoint (safetensors)', exact: true }).check();
    await take('07-all-formats', { steps: ['download'] });
    await studio.openModel(await writeDeepModel(96));
    await studio.measure();
    await studio.pickWindow(20, 40);
    await take('08-96-layers', { steps: ['see'] });
  },
};
