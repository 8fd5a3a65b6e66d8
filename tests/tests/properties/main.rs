//! Properties: reference, CPU and GPU agree.

mod aggregate_gpu_smoke;
