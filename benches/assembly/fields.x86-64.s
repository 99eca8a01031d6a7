# 42 instructions are executed by one call (fields; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_fields>:
	mov    ...(%rip),%rax
	cmpb   $0x3,(%rax)
	jb     <kymo_call_fields+0x33>
	js     <kymo_call_fields+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::call::log3::fast>
	mov    ...(%rip),%rcx
	cmp    0x8(%rax),%rcx
	je     <kymo_call_fields+0xe>
	mov    0x8(%rax),%rax
	inc    %rax
	cmp    %rax,%rcx
	jne    <kymo_call_fields+0x34>
	ret
	lea    ...(%rip),%rax
	lea    -0x80(%rsp),%rsp
	call   <kymo::filter::gate_x86_64::decide_keeping_registers>
	lea    0x80(%rsp),%rsp
	je     <kymo_call_fields+0x33>
	jmp    <kymo_call_fields+0xe>

<kymo::call::log3::fast>:
	cmp    $0x21,%rdx
	jae    <kymo::call::log3::fast_long>
	mov    $0xfffffffffffffa80,%rax
	mov    %fs:(%rax),%r8
	incq   (%r8)
	jne    <kymo::call::log3::fast+0xe2>
	mov    0x8(%r8),%r9
	lea    0x27(%rdx),%r10d
	and    $0x78,%r10d
	add    %r9,%r10
	mov    0x30(%r8),%rax
	cmp    %r10,%rax
	jb     <kymo::call::log3::coarse>
	mov    %rdx,%r11
	rdtsc
	mov    %eax,0x8(%r9)
	mov    %edx,0xc(%r9)
	lea    0x20(%r11),%eax
	mov    %rcx,(%r9)
	mov    %ax,0x6(%r9)
	mov    %rdi,0x10(%r9)
	movsd  %xmm0,0x18(%r9)
	cmp    $0x7,%r11
	jbe    <kymo::call::log3::fast+0x7c>
	cmp    $0x11,%r11
	jae    <kymo::call::log3::fast+0x94>
	mov    (%rsi),%rax
	mov    -0x8(%r11,%rsi,1),%rcx
	mov    %rax,0x20(%r9)
	mov    %rcx,0x18(%r9,%r11,1)
	jmp    <kymo::call::log3::fast+0xcf>
	cmp    $0x3,%r11
	jbe    <kymo::call::log3::fast+0xaa>
	mov    (%rsi),%eax
	mov    -0x4(%r11,%rsi,1),%ecx
	mov    %eax,0x20(%r9)
	mov    %ecx,0x1c(%r9,%r11,1)
	jmp    <kymo::call::log3::fast+0xcf>
	movups (%rsi),%xmm0
	movups -0x10(%r11,%rsi,1),%xmm1
	movups %xmm0,0x20(%r9)
	movups %xmm1,0x10(%r9,%r11,1)
	jmp    <kymo::call::log3::fast+0xcf>
	cmp    $0x1,%r11
	jbe    <kymo::call::log3::fast+0xc6>
	movzwl (%rsi),%eax
	movzwl -0x2(%r11,%rsi,1),%ecx
	mov    %ax,0x20(%r9)
	mov    %cx,0x1e(%r9,%r11,1)
	jmp    <kymo::call::log3::fast+0xcf>
	jne    <kymo::call::log3::fast+0xcf>
	movzbl (%rsi),%eax
	mov    %al,0x20(%r9)
	mov    0x10(%r8),%rax
	mov    %r10,(%rax)
	mov    %r10,0x8(%r8)
	movq   $0xffffffffffffffff,(%r8)
	ret
	jmp    <kymo::call::log3::slow>
