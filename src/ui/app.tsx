/** The page from top to bottom: the steps, one under the other, and the bar that tells what runs. */
import { StudioContext, useStudio } from '../store/react.ts';
import type { StudioStore } from '../store/studio.ts';
import { CalibrateSection } from './calibrate-section.tsx';
import { CompareSection } from './compare-section.tsx';
import { DownloadSection } from './download-section.tsx';
import { Footer } from './footer.tsx';
import { Header } from './header.tsx';
import { JobBar } from './job-bar.tsx';
import { MergeSection } from './merge-section.tsx';
import { OpenSection } from './open-section.tsx';
import { PlanSection } from './plan-section.tsx';
import { RecoverSection } from './recover-section.tsx';
import { SeeSection } from './see-section.tsx';
import { StepRail } from './step-rail.tsx';
import { SweepSection } from './sweep-section.tsx';
import { Tour } from './tour.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/layout.css';
import './styles/open.css';
import './styles/see.css';
import './styles/layers.css';
import './styles/learn.css';
import './styles/ranked.css';
import './styles/sweep.css';
import './styles/results.css';
import './styles/recover.css';
import './styles/compare.css';
import './styles/again.css';

export function App({ store }: { store: StudioStore }) {
  return (
    <StudioContext value={store}>
      <Header />
      <StepRail />
      <Steps />
      <Footer />
      <Tour />
      <JobBar />
    </StudioContext>
  );
}

function Steps() {
  const busy = useStudio(({ job }) => job !== null);
  const model = useStudio((state) => state.model);
  const mergeable = (model?.groups.length ?? 0) > 0;
  return (
    <main aria-busy={busy}>
      <OpenSection />
      {model && mergeable && (
        <>
          <CalibrateSection />
          <SeeSection key={model.fileName} />
          <SweepSection />
          <PlanSection />
          <MergeSection />
          <RecoverSection />
          <CompareSection />
        </>
      )}
      {model && <DownloadSection />}
    </main>
  );
}
