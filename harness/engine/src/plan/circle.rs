//! Steps that need each other in a circle.

/// The circles in which steps need themselves, each as a path whose last step needs the first. Circles that share a
/// step are told once.
pub(super) fn circles(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut left = vec![true; needs.len()];
    let mut found = Vec::new();
    loop {
        drop_free(needs, &mut left);
        let Some(start) = left.iter().position(|is_left| *is_left) else { return found };
        // Every step that is left needs one that is left: the way back comes to a step for the second time.
        let mut path = vec![start];
        let circle = loop {
            let last = path.last().copied().unwrap_or(start);
            let Some(next) = needs[last].iter().copied().find(|need| left[*need]) else { return found };
            if let Some(at) = path.iter().position(|step| *step == next) {
                break path.split_off(at);
            }
            path.push(next);
        };
        for step in &circle {
            left[*step] = false;
        }
        found.push(circle);
    }
}

/// Takes away the steps that need none of those that are left, again and again.
fn drop_free(needs: &[Vec<usize>], left: &mut [bool]) {
    while let Some(free) =
        (0..left.len()).find(|step| left[*step] && !needs[*step].iter().any(|need| left[*need]))
    {
        left[free] = false;
    }
}
